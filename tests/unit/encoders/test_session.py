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
    assert weights < float(ran.stdout) < 2.5 * weights  # 97 MiB of 86; 421 where both were kept
