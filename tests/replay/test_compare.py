"""`freshet compare`: what two ways of ranking make of one log, against sums written out from their slates."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranker.evaluation.slate_figures import overlap_at, rank_biased_overlap
from schemas.messages import feedback, videos
from schemas.messages.feedback import Watch
from tests.support.brokers import CACHE
from tests.support.command import Freshet, Ran
from tests.support.events import minute, uploaded, watched

HOME = "ranker.feeds.home:build"
VIDEOS, PEOPLE, EVENTS = 40, 12, 300
TITLES = ("Street food in Hanoi", "A cat falls off a sofa", "Goals of the week", "How to tune a guitar")
FEED = '''"""The home feed without its first source."""

from dataclasses import replace

from ranker.feeds import home


def build(context):
    pipeline = home.build(context)
    return replace(pipeline, sources=pipeline.sources[1:])
'''

Compare = Callable[..., Ran]


def events() -> Iterator[Watch]:
    """Each an exposure of its own; about half of them finished."""
    chance = np.random.default_rng(5)
    for n in range(EVENTS):
        person, video = f"p{chance.integers(PEOPLE)}", f"v{chance.integers(VIDEOS)}"
        yield watched(person, video, minute(n), watched_ms=int(chance.integers(20_000)), duration_ms=10_000)


WATCHES = [*events()]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("compare") / "log.jsonl"
    made = [videos.encode(uploaded(f"v{n}", minute(-60), title=f"{TITLES[n % 4]} {n}")) for n in range(VIDEOS)]
    file.write_bytes(b"\n".join([*made, *map(feedback.encode, WATCHES)]))
    (file.parent / "shorter_feed.py").write_text(FEED)
    return file


@pytest.fixture
def run(log: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Freshet:
    monkeypatch.setenv("FRESHET_CACHE_DIR", str(CACHE.settings.cache_dir))
    monkeypatch.syspath_prepend(str(log.parent))
    return Freshet(capsys)


def compared(run: Freshet, *arguments: object) -> dict[str, Any]:
    done = run("compare", *arguments, "--draws", 100, "--json")
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def slates_by(run: Freshet, log: Path, feed: str, monkeypatch: pytest.MonkeyPatch) -> dict[int, dict[str, Any]]:
    """Slates of a replay by the line that they answer."""
    out = log.parent / f"{feed.partition('.')[0].partition(':')[0]}.jsonl"
    monkeypatch.setenv("FRESHET_FEED", feed)
    assert run("replay", log, "--out", out).code == 0
    monkeypatch.delenv("FRESHET_FEED")
    return {one["trigger"]["offset"]: one for one in map(json.loads, out.read_bytes().splitlines())}


def ids(slate: dict[str, Any]) -> list[str]:
    return [item["video_id"] for item in slate["items"]]


def brute_hits(slates: dict[int, dict[str, Any]], k: int, *, only_finished: bool) -> float:
    """The hit rate, person by person and event by event."""
    hits, targets = 0, 0
    for n, event in enumerate(WATCHES):
        before = [m for m in range(n) if WATCHES[m].user_id == event.user_id]
        is_new = event.video_id not in {WATCHES[m].video_id for m in before}
        if not before or not is_new or (only_finished and event.watched_ms < 10_000):
            continue
        targets += 1
        hits += event.video_id in ids(slates[VIDEOS + before[-1] + 1])[:k]
    return hits / targets


def test_the_same_feed_is_identical_in_every_slate(run: Freshet, log: Path) -> None:
    done = run("compare", HOME, HOME, log, "--draws", 100)
    assert done.code == 0
    assert "identical in 100 % of slates" in done.out
    assert "People can only finish what the platform showed them" in done.out


def test_figures_are_those_of_the_slates_written_out(run: Freshet, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = compared(run, HOME, "shorter_feed:build", log)
    a, b = (slates_by(run, log, feed, monkeypatch) for feed in (HOME, "shorter_feed:build"))
    assert found["slates"] == len(a) == len(b) == EVENTS
    for side, slates in (("A", a), ("B", b)):
        for key, k in (("hit@10", 10), ("hit", 99)):
            assert found["figures"][f"finish_{key}"][side][0] == pytest.approx(
                brute_hits(slates, k, only_finished=True), abs=1e-6
            )
            assert found["figures"][f"next_{key}"][side][0] == pytest.approx(
                brute_hits(slates, k, only_finished=False), abs=1e-6
            )
        assert found["figures"]["coverage"][side][0] == len({v for one in slates.values() for v in ids(one)}) / VIDEOS
    pairs = [(ids(a[line]), ids(b[line])) for line in a]
    for key, of in (("overlap@10", lambda x, y: overlap_at(10, x, y)), ("rbo", rank_biased_overlap)):
        assert found["alike"][key][0] == pytest.approx(np.mean([of(*pair) for pair in pairs]), abs=1e-6)
    assert found["alike"]["identical"][0] == pytest.approx(np.mean([x == y for x, y in pairs]), abs=1e-6)
    assert "near_recent" in found["sources"]
    assert found["sources"]["near_recent"]["B"][0] == 0
    assert sum(one["A"][0] for one in found["reasons"].values()) == pytest.approx(1, abs=1e-5)


def test_slates_that_were_written_are_those_of_the_feed(
    run: Freshet, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slates_by(run, log, HOME, monkeypatch)
    written = log.parent / "ranker.jsonl"
    found = compared(run, written, HOME, log)
    assert found["alike"]["identical"][0] == 1
    assert found["cpu_ms"]["A"] is None
    both = compared(run, written, written, log)
    assert both["figures"] == found["figures"]  # also without a replay that ranks
    packed = log.parent / "packed.jsonl.gz"
    packed.write_bytes(gzip.compress(written.read_bytes()))
    assert compared(run, packed, HOME, log)["figures"] == found["figures"]


def test_settings_and_parameters_are_ways_of_ranking(run: Freshet, log: Path) -> None:
    settings, parameters = log.parent / "five.toml", log.parent / "parameters.npz"
    settings.write_text("slate_size = 5\n")
    assert run("train", log, "--out", parameters).code == 0
    found = compared(run, settings, parameters, log, "--learn")
    assert found["alike"]["overlap"][0] <= 0.5
    assert found["slates"] == EVENTS


def test_what_a_settings_file_leaves_open_is_as_the_settings_are(
    run: Freshet, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = log.parent / "other.toml"
    other.write_text("seed = 0\n")
    (log.parent / "freshet.toml").write_text("slate_size = 5\n")
    monkeypatch.chdir(log.parent)
    assert compared(run, HOME, other, log)["alike"]["identical"][0] == 1


def test_a_table_of_what_slates_are_made_of_is_a_way_of_ranking(run: Freshet, log: Path) -> None:
    table, same = log.parent / "fresh.toml", log.parent / "same.toml"
    table.write_text("[sources]\npopular = 0\n[slate]\nrelevance = 1.0\n")
    same.write_text("[worth]\nlike = 2.0\n")
    assert compared(run, same, HOME, log)["alike"]["identical"][0] == 1
    assert compared(run, table, HOME, log)["alike"]["identical"][0] < 1
    table.write_text("[sources]\npopula = 0\n")
    ran = run("compare", table, HOME, log)
    assert ran.code == 2 and "sources.popula is not known" in ran.err


def test_a_time_and_a_share_choose_slates_and_change_none(run: Freshet, log: Path) -> None:
    later = compared(run, HOME, HOME, log, "--from", minute(200), "--sample", 0.5)
    people = {one.user_id for one in WATCHES}
    assert 0 < later["slates"] < 100
    assert 0 < later["people"] < len(people)
    assert later["alike"]["identical"][0] == 1
    assert set(later["groups"]) == {"0", "1-3", "4-15", "16+"}


@pytest.mark.parametrize(
    ("a", "said"),
    [
        ("nonsense", "nonsense is no way of ranking"),
        ("no_such_module:build", "freshet: no_such_module:build: there is no module no_such_module"),
        ("os:getcwd", "freshet: os:getcwd failed (TypeError"),
        ("missing.npz", "There is no file missing.npz"),
        ("missing.jsonl", "There is no file missing.jsonl"),
        ("missing.jsonl.zst", "There is no file missing.jsonl.zst"),
    ],
)
def test_what_is_no_way_of_ranking_is_told_in_one_sentence(run: Freshet, log: Path, a: str, said: str) -> None:
    done = run("compare", a, HOME, log)
    assert done.code == 2
    assert said in done.err
    assert done.out == ""
    assert "Traceback" not in done.err


def test_slates_of_another_log_are_refused(run: Freshet, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slates_by(run, log, HOME, monkeypatch)
    lines = log.read_bytes().splitlines()
    other = log.parent / "other.jsonl"
    other.write_bytes(b"\n".join([*lines[:VIDEOS], *reversed(lines[VIDEOS:])]))
    done = run("compare", log.parent / "ranker.jsonl", HOME, other)
    assert done.code == 2
    assert "another log" in done.err


def test_a_file_that_holds_no_slates_is_refused(run: Freshet, log: Path) -> None:
    done = run("compare", log, HOME, log)
    assert done.code == 2
    assert "is no slate of a replay" in done.err


def test_nothing_to_compare_is_an_error(run: Freshet, log: Path) -> None:
    done = run("compare", HOME, HOME, log, "--from", minute(10_000))
    assert done.code == 1
    assert "No event of the log has a slate of both sides" in done.err


def test_the_page_shows_both_pictures_and_asks_for_nothing(run: Freshet, log: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert run("compare", HOME, "shorter_feed:build", log, "--draws", 100, "--report", page).code == 0
    text = page.read_text("utf-8")
    assert text.count('role="img"') >= 3
    assert "Accuracy against diversity" in text
    assert "Places by source" in text
    assert "<script" not in text
    assert "http" not in text.replace("http-equiv", "")
