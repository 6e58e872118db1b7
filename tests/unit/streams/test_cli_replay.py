"""`freshet replay`: which options go together, and what it prints."""

from pathlib import Path

import pytest

from tests.support.command import Freshet
from tests.support.log_lines import LIKE, UPLOAD, log_of


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--no-slates", "--workers=2"], "--no-slates takes the whole log"),
        (["--no-slates", "--learn"], "--no-slates takes the whole log"),
        (["--no-slates", "--users=ana"], "--no-slates takes the whole log"),
        (["--to-kafka", "--sample=0.5"], "--to-kafka takes the whole log"),
        (["--to-kafka", "--from=2026-01-01"], "--to-kafka takes the whole log"),
    ],
)
def test_a_replay_without_slates_refuses_what_slates_are_for(
    freshet: Freshet, tmp_path: Path, options: list[str], why: str
):
    ran = freshet("replay", log_of(tmp_path, LIKE), *options)
    assert ran.code == 2
    assert why in ran.err


@pytest.mark.parametrize("workers", [1, 2])
def test_a_replay_says_of_whom_the_log_has_nothing(freshet: Freshet, tmp_path: Path, workers: int):
    ran = freshet("replay", log_of(tmp_path, UPLOAD, LIKE), "--users=nobody", "--users=u1", f"--workers={workers}")
    assert ran.code == 0, ran.err
    assert "no event was chosen of nobody: the log has none" in ran.err
    assert "not_chosen" not in ran.out  # the event of u1 was
    late = freshet("replay", log_of(tmp_path, UPLOAD, LIKE), "--users=u1", "--to=2001-01-01", f"--workers={workers}")
    assert "no event was chosen of u1" in late.err


def test_several_workers_need_a_log_that_is_a_file(freshet: Freshet):
    ran = freshet("replay", "-", "--workers=2")
    assert ran.code == 2
    assert "--workers needs a log that is a file" in ran.err


def test_a_replay_without_slates_opens_no_model_and_prints_the_state_digest(
    freshet: Freshet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FRESHET_CACHE_DIR", str(tmp_path))
    ran = freshet("replay", log_of(tmp_path, UPLOAD, LIKE, "not json"), "--no-slates")
    assert ran.code == 0, ran.err
    assert "line 3: $: decode" in ran.err
    assert "events" in ran.out and "not_chosen" in ran.out
    assert "first_back_in_time None" in ran.out  # no name runs into its figure
    assert not (tmp_path / "models").exists()
