"""How the model folder is made: once, whole or not at all, and told in sentences."""

import fcntl
import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from encoders.base import ModelError
from encoders.export import image
from encoders.export.checks import accepted, asked
from encoders.export.labels import audio_labels, image_labels
from encoders.models.manifest import (
    EXPORTER,
    FILES,
    MANIFEST,
    SPEECH_FOLDER,
    WEIGHTS,
    folder_of,
    key_of,
    publish,
    read,
    verify,
    write,
)
from encoders.models.provision import _ready, provision
from tests.support.models import real_models, small_folder


def test_a_manifest_reads_back_as_it_was_written(tmp_path: Path) -> None:
    folder = small_folder(tmp_path / "models")
    found = read(folder)
    assert found == verify(folder)
    assert (found.exporter, found.key) == (EXPORTER, key_of(WEIGHTS, EXPORTER))
    assert found.files[0].parity == {"torch_max_abs": 1e-7} and found.files[0].bytes == 1


@pytest.mark.parametrize("field", ["exporter", "weights", "key", "sha256", "files"])
def test_a_manifest_edited_by_hand_is_refused(tmp_path: Path, field: str) -> None:
    folder = small_folder(tmp_path / "models")
    told = json.loads((folder / MANIFEST).read_text())
    told[field] = {"weights": {"model.safetensors": "0"}, "files": []}.get(field, "0")
    (folder / MANIFEST).write_text(json.dumps(told))
    with pytest.raises(ModelError, match="was changed after it was written"):
        read(folder)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"key": "0", "files": [{}]}', '{"key": "0", "files": 1}'])
def test_a_manifest_of_another_form_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(ModelError, match="is not a manifest of this version"):
        read(tmp_path)


def test_publishing_replaces_a_damaged_folder(tmp_path: Path) -> None:
    folder = small_folder(tmp_path / "models/key")
    (folder / "a.txt").write_text("damaged")
    publish(small_folder(tmp_path / "tmp/models"), folder)
    assert verify(folder) and not (tmp_path / "tmp/models").exists()


def test_publishing_leaves_a_good_folder_as_it_is(tmp_path: Path) -> None:
    folder = small_folder(tmp_path / "models/key", content="first")
    publish(small_folder(tmp_path / "tmp/models", content="second"), folder)
    assert (folder / "a.txt").read_text() == "first"


def test_the_real_models_agree_with_torch_and_say_where_they_come_from() -> None:
    folder = real_models()
    made = read(folder)
    assert made.weights == WEIGHTS and made.key == folder.name
    assert {file.name for file in made.files} == FILES
    parity = {file.name: dict(file.parity) for file in made.files}
    assert parity["text-minilm.onnx"]["torch_max_abs"] <= 1e-5
    assert parity["image-efficientnet-lite0.onnx"]["torch_max_abs"] <= 2e-5
    assert parity["image-efficientnet-lite0.int8.onnx"]["torch_max_abs"] <= 0.5
    assert all(parity[name]["torch_cosine_min"] >= image.LEAST_COSINE for name in image.FILES.values())
    assert parity["audio-musicnn.onnx"]["torch_max_abs"] <= 1e-5
    assert parity["audio-musicnn.whole.onnx"]["torch_max_abs"] <= 1e-5
    assert parity["toxicity.npy"]["scikit-learn_max_abs"] <= 1e-6
    assert all(file.source and file.licence for file in made.files)


def test_a_model_that_differs_from_its_original_is_refused() -> None:
    said = list[str]()
    assert accepted("a.onnx", 9e-6, said.append) == {"torch_max_abs": 9e-6}
    assert said == ["export: a.onnx, largest difference to torch 9.0e-06"]
    for largest in (1.1e-5, float("nan")):
        with pytest.raises(ModelError, match=r"a\.onnx differs from torch by .*, more than 1e-05"):
            accepted("a.onnx", largest, said.append)


@pytest.mark.parametrize("name", image.FILES.values())
@pytest.mark.parametrize("factor", [0.0, -1.0, 1.5, float("nan")])
def test_vectors_that_are_not_the_originals_are_refused(name: str, factor: float) -> None:
    answers, vectors = asked(real_models() / name, image.INPUTS, image.OUTPUTS, image.samples()), f"{name} 0 image_vec"
    image.near(name, answers, print, most=0.5)
    answers[vectors] *= factor
    with pytest.raises(ModelError, match=f"{name} .*change encoders/export"):
        image.near(name, answers, print, most=0.5)


def test_labels_are_a_classs_first_name_and_a_list_read_without_running_it() -> None:
    lemmas = "n01440764\ttench, Tinca tinca\nn07753592\tbanana\nn00004475\torganism, being\n"
    assert image_labels("n07753592\nn01440764\n", lemmas) == ["banana", "tench"]
    assert audio_labels("raise SystemExit\nMSD_LABELS = ['rock', 'pop']\n") == ["rock", "pop"]
    with pytest.raises(ModelError, match="names no MSD_LABELS"):
        audio_labels("MTT_LABELS = ['guitar']")


# provision, with every way to the network closed


def test_provision_does_nothing_where_all_is_there(tmp_path: Path, offline: None) -> None:
    folder, said = small_folder(folder_of(tmp_path)), list[str]()
    small_folder(folder / SPEECH_FOLDER)
    assert provision(tmp_path, said.append) == folder
    assert said == [f"models: {one} is complete and unchanged" for one in (folder, folder / SPEECH_FOLDER)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models"]


def test_a_folder_whose_manifest_lacks_a_file_is_not_ready(tmp_path: Path) -> None:
    folder, said = small_folder(folder_of(tmp_path)), list[str]()
    assert _ready(folder, said.append)
    write(folder, replace(read(folder), files=()))
    assert not _ready(folder, said.append) and "does not list audio-musicnn.onnx" in said[0]


def test_a_second_process_waits_and_then_takes_what_the_first_made(tmp_path: Path, offline: None) -> None:
    waits, answers = threading.Event(), list[Path]()

    def say(line: str) -> None:
        if "waiting for another process" in line:
            waits.set()

    with (tmp_path / "export.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = threading.Thread(target=lambda: answers.append(provision(tmp_path, say)))
        second.start()
        assert waits.wait(timeout=300)
        small_folder(small_folder(folder_of(tmp_path)) / SPEECH_FOLDER)
    second.join(timeout=300)
    assert answers == [folder_of(tmp_path)]
