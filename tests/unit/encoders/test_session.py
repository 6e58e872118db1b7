"""What an open model costs in memory."""

import subprocess
import sys
from pathlib import Path

import pytest

from encoders.modalities.text_models import MINILM
from tests.support.paths import ROOT

SCRIPT = """
import sys
from pathlib import Path
import numpy as np, onnxruntime, tokenizers
from encoders.modalities.text_models import INPUTS, MINILM, OUTPUTS
from encoders.models.session import open_model
from streams.worker.memory import give_back

def mebibytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

before = mebibytes()
model = open_model(Path(sys.argv[1]) / MINILM.file, provider="cpu", inputs=INPUTS, outputs=OUTPUTS)
ids = np.full((32, 128), 2000)
model(ids, np.ones_like(ids))
give_back()  # as workers do
print(mebibytes() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="nothing here says what a process has in memory")
def test_a_model_keeps_neither_its_file_nor_what_its_largest_call_took(models: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(models)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    weights = (models / MINILM.file).stat().st_size / 2**20
    assert weights / 3 < float(ran.stdout) < weights  # 54 MiB of 86; 97 with the table of its pieces, 421 with both


OWN = """
import sys
from pathlib import Path
import numpy, onnxruntime, tokenizers
from encoders.modalities.text import TextEncoder
from streams.worker.memory import give_back

def own():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("Anonymous:"))

before = own()
encoder = TextEncoder(Path(sys.argv[1]), model="multilingual", provider="cpu")
encoder.encode(["a cat", "eine Katze", "猫"])
give_back()
print(own() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="nothing here says what is a process's own")
def test_two_tables_and_two_vocabularies_of_many_languages_take_little_memory(multilingual_models: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", OWN, str(multilingual_models)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert float(ran.stdout) < 80  # MiB: 60; 100 with the vocabularies as dicts, 197 with the tables too
