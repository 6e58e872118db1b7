"""What a text model takes on the disk and in a process's memory."""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from encoders.base import TextModelName
from encoders.modalities.text_models import TEXT_MODELS, TOKENIZER
from encoders.models.manifest import read


class Footprint(NamedTuple):
    """Megabytes of a model's files, and of memory that a process grows by as it opens it and reads the forty titles.

    own     of the process alone
    mapped  with what it has read of its files, which belongs to these and may be dropped
    """

    files: float
    own: float
    mapped: float


GROWN = """
import sys
from pathlib import Path
import numpy, onnxruntime, tokenizers
from encoders.modalities.text import TextEncoder
from streams.worker.memory import give_back
from tests.bench.titles import titles

def megabytes():
    lines = (line.split() for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:])
    sizes = {name: int(size) * 1024 / 1e6 for name, size, _ in lines}
    return numpy.array([sizes["Anonymous:"], sizes["Rss:"]])

before = megabytes()
encoder = TextEncoder(Path(sys.argv[1]), model=sys.argv[2], provider="cpu")
for of_one in titles().values():
    encoder.encode(of_one)
give_back()  # as workers do
print(*(megabytes() - before))
"""


def footprint(folder: Path, name: TextModelName) -> Footprint:
    """What a text model takes on the disk and in memory."""
    run = subprocess.run([sys.executable, "-c", GROWN, folder, name], capture_output=True, text=True, check=True)
    chosen = TEXT_MODELS[name]
    files = (chosen.file, TOKENIZER) if name == "minilm" else [file.name for file in read(folder / chosen.folder).files]
    size = sum((folder / chosen.folder / file).stat().st_size for file in files) / 1e6
    return Footprint(size, *map(float, run.stdout.split()))
