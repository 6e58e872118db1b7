"""The demo's parts: its logs, its catalogue, its checks and its screen; and what it says without models."""

import re
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from schemas.messages import feedback, videos
from schemas.messages.recommendations import Because, Item
from schemas.messages.videos import Upload
from schemas.topics import FEEDBACK, UPLOADS
from streams.demo.clients import Sent
from streams.demo.latency import delays, percentiles
from streams.demo.log import by_kind, recorded, simulated, whole_exposures
from streams.demo.screen import Check, Screen
from streams.demo.stage import Agents, run_folder
from streams.demo.story import least_shown, share
from streams.errors import OperatorError
from streams.logs.jsonl import Line
from streams.worker import processes
from tests.support.events import NOON, liked, minute, uploaded, watched, withdrew


def kinds(**counts: int) -> dict[str, Upload]:
    """A catalogue with so many videos of each kind."""
    made = [uploaded(f"{kind}-{at}", category=kind) for kind, count in counts.items() for at in range(count)]
    return {video.video_id: video for video in made}


def slate(*video_ids: str) -> list[Item]:
    return [
        Item(rank, video_id, 0.5, {}, 1.0, ["near_recent"], [Because("similar_to", 1.0, "cats-0")])
        for rank, video_id in enumerate(video_ids, 1)
    ]


def log_at(path: Path, *lines: bytes) -> Path:
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def line(event: feedback.Feedback, number: int = 1) -> Line:
    return Line(number, FEEDBACK, "like", event.user_id.encode(), event.at_ms, feedback.encode(event), event)


def test_an_agent_that_ends_is_named_with_its_last_lines(tmp_path: Path):
    agents = Agents(tmp_path)
    failing = [sys.executable, "-c", "print('no such model'); raise SystemExit(3)"]
    with agents.output("encoder").open("wb") as output:
        agents.processes["encoder"] = processes.start(failing, output)
    agents.processes["encoder"].wait()
    with pytest.raises(OperatorError, match=r"encoder ended with exit code 3(.|\n)*no such model"):
        agents.check()


def test_runs_share_the_vectors_of_labels_and_leave_nothing_else(tmp_path: Path):
    with run_folder(tmp_path, keep=False) as folder:
        (folder / "labels" / "text.sqlite").touch()
        (folder / "worker.log").touch()
    with run_folder(tmp_path, keep=True, name="playground") as folder:
        assert [path.name for path in (folder / "labels").iterdir()] == ["text.sqlite"]
    assert not [*(tmp_path / "demo").iterdir()] and folder.is_dir()


def test_the_kind_that_she_likes_is_the_one_that_her_slate_shows_least():
    catalogue = kinds(cats=25, dance=25, piano=25, rare=2)
    kind, liked_ids = least_shown(slate("cats-1", "cats-2", "dance-1"), catalogue)
    assert (kind, liked_ids) == ("piano", ["piano-0", "piano-1", "piano-2"])
    assert share(slate("cats-1", "cats-2", "dance-1", "gone"), catalogue, "cats") == 0.5


def test_videos_without_a_category_are_of_the_kinds_of_their_tags():
    catalogue = {video.video_id: video for video in (uploaded("v1", tags=["a", "b"]), uploaded("v2", tags=["b"]))}
    assert by_kind(catalogue, 1) == {"a": ["v1"], "b": ["v1", "v2"]}
    assert by_kind(catalogue, 2) == {"b": ["v1", "v2"]}


def test_a_recorded_log_is_read_without_its_faults_and_withdrawals_take_videos_back(tmp_path: Path):
    uploads = [videos.encode(uploaded(f"v{at}", tags=["t"])) for at in range(4)]
    log = recorded(
        log_at(
            tmp_path / "log.jsonl",
            *uploads,
            feedback.encode(liked("ana", "v1")),
            b"{nope",
            videos.encode(withdrew("v3", minute(1))),
            feedback.encode(watched("bo", "v2", minute(2))),
        ),
        None,
        tmp_path,
    )
    assert [one.topic for one in log.uploads] == [UPLOADS] * 5
    assert (list(log.videos()), log.people()) == (["v0", "v1", "v2"], ["ana", "bo"])
    assert (len(log.faults), log.last_ms) == (1, minute(2))


def test_a_log_is_cut_between_exposures():
    log = [line(watched("ana", "v1")), line(liked("ana", "v1")), line(liked("ana", "v2", minute(1)))]
    assert [whole_exposures(log, limit) for limit in (1, 2, 3, 9, None)] == [2, 2, 3, 3, 3]


def test_a_log_that_the_demo_cannot_use_is_refused_in_a_sentence(tmp_path: Path):
    with pytest.raises(OperatorError, match="no upload and event"):
        recorded(log_at(tmp_path / "events.jsonl", feedback.encode(liked("ana", "v1"))), None, tmp_path)
    lone = log_at(tmp_path / "lone.jsonl", videos.encode(uploaded("v1")), feedback.encode(liked("ana", "v1")))
    with pytest.raises(OperatorError, match="share a category or a tag"):
        recorded(lone, None, tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(OperatorError, match="holds neither"):
        recorded(tmp_path / "empty", None, tmp_path)


def test_the_made_up_log_ends_now_and_never_later():
    log = simulated(0, 500, NOON)
    assert NOON - 4 * 3_600_000 < log.last_ms <= NOON
    assert (len(log.events), len(log.uploads), len(log.faults)) == (500, 400, 0)


def test_a_delay_reaches_to_the_first_slate_that_covers_the_event():
    sent = [Sent(line(liked("ana", "v1")), 0, 7, 10.0)]
    slates = [("ana", 6, 10.1), ("bo", 9, 10.2), ("ana", 9, 10.5), ("ana", 10, 11.0)]
    assert list(delays(sent, slates)) == [pytest.approx(500)]
    assert percentiles([float(ms) for ms in range(1, 102)]) == (51, 96, 100, 101)


def test_the_screen_shows_titles_kinds_and_reasons_in_words():
    shown = StringIO()
    screen = Screen(console=Console(file=shown, highlight=False))
    catalogue = kinds(cats=2, piano=2)
    screen.slates(slate("piano-0"), slate("cats-1", "piano-1"), catalogue, "cats")
    screen.checks([Check("all is well", False, "1 = 2")])
    text = shown.getvalue()
    assert "cats-1 (cats)" in text
    assert "like “cats-0” [near_recent]" in text
    assert re.search(r"all is well +NO +1 = 2", text)
    assert "\x1b[" not in text  # no colour where there is no terminal


@pytest.mark.parametrize(("columns", "width"), [("70", 70), ("", 150)])
def test_what_is_piped_is_as_wide_as_the_terminal_says(columns: str, width: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", columns)
    shown = StringIO()
    Screen(console=Console(file=shown, highlight=False)).checks([Check("well " * 20, True, "seen " * 20)])
    assert width - 20 < max(map(len, shown.getvalue().splitlines())) <= width
