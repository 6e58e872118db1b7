"""The measurement on a GPU: what it runs there runs on a CPU as well, and without a GPU it refuses."""

import subprocess
import sys

import pytest

from encoders.modalities.image import ImageEncoder
from encoders.modalities.text import TextEncoder
from encoders.models.session import lack_of_cuda
from tests.bench.gpu import agreement, folder_in, products, table
from tests.bench.videos import made
from tests.support.models import TITLES, made_up_frames, real_models


def test_fp16_models_answer_nearly_as_fp32_ones() -> None:
    models, pictures = real_models(), [made_up_frames(2)]
    with folder_in("fp16", models) as folder:
        sizes = [(folder / "text-minilm.onnx").stat().st_size, (models / "text-minilm.onnx").stat().st_size]
        texts = [TextEncoder(of, provider="cpu").encode(TITLES[:4]) for of in (folder, models)]
        seen = [ImageEncoder(of, provider="cpu").encode(pictures) for of in (folder, models)]
    assert sizes[0] < 0.55 * sizes[1]
    assert 0.999 < float((texts[0] * texts[1]).sum(axis=1).min()) < 0.999999
    assert 0.999 < float((seen[0] * seen[1]).sum()) < 0.999999


@pytest.mark.slow
def test_the_sweep_gives_a_row_a_precision_and_batch() -> None:
    rows = table(real_models(), made(1), peak=products(64, "cpu"), provider="cpu")[2:]
    assert [row.split(" | ")[:2] for row in rows] == [["| fp32", "1"], ["| fp16", "1"]]
    assert all(float(cell) > 0 for row in rows for cell in row.split(" | ")[2:6])
    assert all(float(row.split(" | ")[6]) >= 0 for row in rows)  # TFLOP/s, of which a busy CPU makes none to speak of


@pytest.mark.slow
def test_each_encoder_is_compared_with_the_cpu() -> None:
    rows = [row.strip("| ").split(" | ") for row in agreement(real_models(), made(2), provider="cpu")[2:]]
    assert [row[0] for row in rows] == ["text", "text by e5", "image", "audio"]
    assert all(float(least) > 0.999999 and float(apart) == 0 for _, least, apart, _ in rows)


@pytest.mark.skipif(lack_of_cuda() is not None, reason="needs a GPU")
def test_a_card_gives_the_vectors_of_a_cpu() -> None:
    rows = [row.strip("| ").split(" | ") for row in agreement(real_models(), made(4))[2:]]
    apart = {name: (float(to_cpu), float(to_batch)) for name, _, to_cpu, to_batch in rows}
    assert all(to_batch < 1e-6 for _, to_batch in apart.values())
    assert all(to_cpu < 1e-5 for name, (to_cpu, _) in apart.items() if name != "text by e5")


def test_without_a_gpu_it_says_so_and_measures_nothing() -> None:
    asked = [sys.executable, "-m", "tests.bench.gpu"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode == 0:
        pytest.skip("there is a GPU")
    assert done.returncode == 2 and done.stdout == ""
    assert "cannot run on cuda" in done.stderr and "set provider to cpu" in done.stderr
