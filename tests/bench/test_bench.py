"""The measurements run, and write what they found in the promised shape; how fast anything is, no test says."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from streams.local.broker import LocalBroker
from tests.bench import backlog, live, slates
from tests.bench.answers import Sent, Traffic, VideoEvent, answered
from tests.bench.backlog import Drained
from tests.bench.engines import AIOKAFKA, CONFLUENT, FRESHET
from tests.bench.ground import START_MS, Ground
from tests.bench.wire import marks
from tests.bench.work import PROFILES, REFERENCE, Work
from tests.support.paths import ROOT

ONLY = "fold,ranker.slates,encode.text"
FIELDS = {"name", "at", "engine", "value", "unit", "more", "note", "fault", "goals"}
MACHINE = {"cpu", "cores", "used_cores", "python", "kafka", "libraries", "load_before", "load_after", "at", "quick"}
UNITS = {"fold": "cpu_us/event", "ranker.slates": "slates/s/core", "encode.text": "texts/s"}


@pytest.fixture(scope="module")
def ground(broker: LocalBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ExitStack() as running:
        made = Ground(True, False, tmp_path_factory.mktemp("bench"), running)
        made.broker = broker  # the session's, in place of one of its own
        yield made


@pytest.mark.slow
@pytest.mark.connected
def test_a_quick_run_writes_its_figures_as_json(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    command = [sys.executable, "-m", "tests.bench", "--quick", "--only", ONLY, "--json", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads(file.read_text("utf-8"))
    assert set(written) == {"machine", "results", "failed"}
    assert set(written["machine"]) == MACHINE
    assert all(set(result) == FIELDS for result in written["results"])
    assert all(result["value"] > 0 and not result["fault"] for result in written["results"])
    assert {result["name"]: result["unit"] for result in written["results"]} == UNITS
    assert written["failed"] == {}


@pytest.mark.slow
@pytest.mark.connected
def test_freshet_and_a_bare_loop_come_to_the_states_of_the_fold(ground: Ground) -> None:
    rows = backlog.reference(ground, (FRESHET, CONFLUENT))
    assert [row.engine for row in rows] == [FRESHET.name, CONFLUENT.name, "the fold alone"]
    assert [row.fault for row in rows] == ["", "", ""]
    assert all(row.value > 0 and 0 < row.more["coalesced"] < 1 for row in rows)


@pytest.mark.slow
@pytest.mark.connected
def test_live_every_event_is_found_in_a_state(ground: Ground) -> None:
    rows = live.live(ground, (AIOKAFKA,))
    assert rows and all(row.value > 0 and row.more["ms_p99"] >= row.more["ms_p50"] > 0 for row in rows)


@pytest.mark.slow
@pytest.mark.connected
def test_two_bare_loops_answer_every_event(ground: Ground) -> None:
    with slates.relays(ground, "relayed.") as (settings, world, loops):
        found = slates.measured(ground, settings, Traffic(world, 200, 1, 1, "few"), loops)
    assert found.unanswered == 0
    assert len(found.cpu_s) == len(loops) + 1 and min(found.cpu_s) > 0  # and the broker's
    assert 0 < found.answers <= 200


def test_a_state_that_differs_from_the_folds_is_a_fault() -> None:
    right = Drained(1.0, 1.0, 0.0, (1.0, 1.0), "digest", 10)
    records = backlog.Backlog("reference.backlog", REFERENCE, [], marks(Ground.defaults(), "last", START_MS), [])
    assert not backlog.row(records, "good", [right], right, "").fault
    for wrong in (Drained(1.0, 1.0, 0.0, (1.0, 1.0), "other", 10), Drained(1.0, 1.0, 0.0, (1.0, 1.0), "digest", 9)):
        assert "bad" in backlog.row(records, "bad", [right, wrong], right, "").fault


@pytest.mark.parametrize("work", [REFERENCE, PROFILES])
def test_an_event_that_comes_twice_changes_no_state(work: Work) -> None:
    ((_, event), *_) = marks(Ground.defaults(), "once", START_MS)
    state = work.apply(None, event, "feedback.v1", 3, 7)
    assert work.apply(state, event, "feedback.v1", 3, 7) is None
    assert work.events_in(state) == 1
    assert work.place_in(work.pack(state)) == (3, 7)
    assert work.unpack(work.pack(state)) == state


def test_an_unknown_measurement_is_refused_by_its_nearest_name() -> None:
    command = [sys.executable, "-m", "tests.bench", "--only", "ranker.slate"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "the nearest one is ranker.slates" in done.stderr


def test_an_event_is_answered_by_the_first_state_that_covers_it() -> None:
    sent = [Sent("ana", 0, 7, 1.0), Sent("ana", 0, 9, 1.5)]
    seen = [
        VideoEvent("ana", 0, 7, 1.25),
        VideoEvent("ana", 0, 8, 1.75),
        VideoEvent("ana", 0, 12, 2.0),
        VideoEvent("ana", 0, 13, 9.0),
    ]
    assert answered(sent, seen) == [1.25, 2.0]


def test_an_answer_of_somebody_else_or_of_another_partition_covers_nothing() -> None:
    sent = [Sent("ana", 0, 7, 1.0)]
    assert answered(
        sent, [VideoEvent("ben", 0, 8, 2.0), VideoEvent("ana", 1, 8, 2.0), VideoEvent("ana", 0, 6, 2.0)]
    ) == [None]


def test_peers_fold_with_our_versions_of_what_folds() -> None:
    ours, theirs = ((ROOT / f"requirements/{name}.txt").read_text("utf-8") for name in ("runtime", "bench"))
    for library in ("msgspec", "numpy"):
        pins = [re.findall(rf"^{library}==.*", lock, re.MULTILINE) for lock in (ours, theirs)]
        assert pins[0] and pins[0] == pins[1], library
