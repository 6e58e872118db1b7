"""Which model files are refused, and in which words."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from encoders.annotate.labels import LABELS, labels_of
from encoders.base import ModelError
from encoders.fusion.fusion import load_fusion
from encoders.modalities.text import TextEncoder
from encoders.modalities.text_models import E5, MINILM, PIECES, TOKENIZER
from encoders.models.manifest import MANIFEST, REMEDY, WEIGHTS, Manifest, describe, remedy_for, write
from encoders.models.session import CUDA, Port, open_model
from tests.support.models import built_in, doubling, small_folder, with_one_file_changed


def is_one_sentence_with_place_and_remedy(error: ModelError, path: Path, remedy: str = REMEDY) -> bool:
    said = str(error)
    return str(path) in said and said.endswith(".") and "\n" not in said and remedy in said


@pytest.mark.parametrize("name", [MINILM.file, TOKENIZER, MANIFEST])
@pytest.mark.parametrize("damage", ["missing", "truncated", "changed"])
def test_a_damaged_file_is_refused(models: Path, tmp_path: Path, name: str, damage: str) -> None:
    content = (models / name).read_bytes()
    middle = len(content) // 2
    other = bytes([content[middle] ^ 1])
    damaged = {
        "missing": None,
        "truncated": content[:-100],
        "changed": content[:middle] + other + content[middle + 1 :],
    }[damage]
    folder = with_one_file_changed(models, tmp_path / "models", name, damaged)
    with pytest.raises(ModelError) as refused:
        TextEncoder(folder, model="minilm", provider="cpu")
    assert is_one_sentence_with_place_and_remedy(refused.value, folder)


def test_pieces_that_do_not_fit_their_scores_are_refused(e5_models: Path, tmp_path: Path) -> None:
    pieces = (e5_models / E5.folder / PIECES).read_bytes()
    folder = with_one_file_changed(e5_models / E5.folder, tmp_path / E5.folder, PIECES, pieces + b"x")
    with pytest.raises(ModelError) as refused:
        TextEncoder(tmp_path, model="e5", provider="cpu")
    assert is_one_sentence_with_place_and_remedy(refused.value, folder / PIECES, remedy_for("e5"))


def test_without_the_files_of_e5_a_sentence_says_how_they_are_made(tmp_path: Path) -> None:
    folder = small_folder(tmp_path / "models")
    opening = [
        lambda: TextEncoder(folder, model="e5", provider="cpu"),
        lambda: load_fusion(built_in(folder, text_model="e5")),
    ]
    for opened in opening:
        with pytest.raises(ModelError) as refused:
            opened()
        assert is_one_sentence_with_place_and_remedy(
            refused.value, folder / E5.folder, "run `FRESHET_TEXT_MODEL=e5 freshet export`"
        )


@pytest.mark.parametrize("content", [None, b"", b"\x93NUMPY"])
def test_a_damaged_projection_is_refused(models: Path, tmp_path: Path, content: bytes | None) -> None:
    folder = with_one_file_changed(models, tmp_path / "models", "projection.npy", content)
    with pytest.raises(ModelError) as refused:
        load_fusion(built_in(folder))
    assert is_one_sentence_with_place_and_remedy(refused.value, folder / "projection.npy")


def test_a_folder_without_models_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as refused:
        TextEncoder(tmp_path)
    assert is_one_sentence_with_place_and_remedy(refused.value, tmp_path / MANIFEST)


def test_labels_that_do_not_fit_their_model_are_refused(tmp_path: Path) -> None:
    path = tmp_path / LABELS
    path.write_text('{"image": ["tench", "goldfish"]}')
    write(tmp_path, Manifest(WEIGHTS, "test", (describe(path, source="a test", licence="Apache-2.0"),)))
    assert labels_of(tmp_path, "image", 2) == ("tench", "goldfish")
    with pytest.raises(ModelError, match="has 2 image labels instead of 1000") as refused:
        labels_of(tmp_path, "image", 1000)
    assert is_one_sentence_with_place_and_remedy(refused.value, path)


X, Y = Port("x", "float32", (None, 3)), Port("y", "float32", (None, 3))


def test_a_sound_model_runs_on_the_cpu(tmp_path: Path) -> None:
    model = open_model(doubling(tmp_path), provider="cpu", inputs=(X,), outputs=(Y,))
    assert model(np.full((2, 3), 2, np.float32))[0].tolist() == [[4, 4, 4], [4, 4, 4]]
    assert model.provider == "cpu"


@pytest.mark.parametrize(
    ("inputs", "outputs", "told"),
    [
        ((X,), (Port("y", "float32", (None, 4)),), "has the outputs y float32[?, 3] instead of y float32[?, 4]"),
        ((X,), (Port("z", "float32", (None, 3)),), "has the outputs y float32[?, 3] instead of z float32[?, 3]"),
        ((Port("x", "int64", (None, 3)),), (Y,), "has the inputs x float32[?, 3] instead of x int64[?, 3]"),
        ((X, Port("mask", "int64", (None,))), (Y,), "instead of x float32[?, 3], mask int64[?]"),
    ],
)
def test_a_model_of_another_shape_is_refused(
    tmp_path: Path, inputs: Sequence[Port], outputs: Sequence[Port], told: str
) -> None:
    path = doubling(tmp_path)
    with pytest.raises(ModelError) as refused:
        open_model(path, provider="cpu", inputs=inputs, outputs=outputs)
    assert told in str(refused.value)
    assert is_one_sentence_with_place_and_remedy(refused.value, path)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = doubling(tmp_path, content=b"no model\nat all")
    with pytest.raises(ModelError) as refused:
        open_model(path, provider="cpu", inputs=(X,), outputs=(Y,))
    assert is_one_sentence_with_place_and_remedy(refused.value, path)


def test_a_file_that_its_manifest_does_not_name_is_refused(tmp_path: Path) -> None:
    path = doubling(tmp_path).rename(tmp_path / "other.onnx")
    with pytest.raises(ModelError, match=r"other\.onnx is not named in manifest\.json"):
        open_model(path, provider="cpu", inputs=(X,), outputs=(Y,))


def test_cuda_is_used_as_asked_or_refused_but_never_replaced(tmp_path: Path) -> None:
    path = doubling(tmp_path)
    try:
        model = open_model(path, provider="cuda", inputs=(X,), outputs=(Y,))
    except ModelError as error:
        assert str(path) in str(error) and "cuda" in str(error) and "provider to cpu" in str(error)
        assert open_model(path, provider="auto", inputs=(X,), outputs=(Y,)).provider == "cpu"
    else:
        assert model.provider == "cuda" and CUDA in onnxruntime.get_available_providers()
