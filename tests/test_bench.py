"""The measurements run, and write what they found in the promised shape; how fast anything is, no test says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.traffic import Seen, Sent, delays

ROOT = Path(__file__).parents[1]
ONLY = "fold,ranker.slates,encode.text"
FIELDS = {"name", "at", "value", "unit", "peer", "peer_value", "ratio", "more", "note", "fault"}
MACHINE = {"cpu", "cores", "python", "kafka", "load_before", "at", "quick"}
UNITS = {"fold": "cpu_us/event", "ranker.slates": "slates/s/core", "encode.text": "texts/s"}


@pytest.mark.slow
@pytest.mark.connected
def test_a_quick_run_writes_its_figures_as_json(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    command = [sys.executable, "-m", "tests.bench", "--quick", "--only", ONLY, "--json", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads(file.read_text("utf-8"))
    assert set(written) == {"machine", "results", "failed"}
    assert set(written["machine"]) == MACHINE
    assert all(set(result) == FIELDS for result in written["results"])
    assert all(result["value"] > 0 and not result["fault"] for result in written["results"])
    assert {result["name"]: result["unit"] for result in written["results"]} == UNITS
    assert written["failed"] == {}


def test_an_unknown_measurement_is_refused_by_its_nearest_name() -> None:
    command = [sys.executable, "-m", "tests.bench", "--only", "ranker.slate"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "the nearest one is ranker.slates" in done.stderr


def test_an_event_is_answered_by_the_first_state_that_covers_it() -> None:
    sent = [Sent("ana", 0, 7, 1.0), Sent("ana", 0, 9, 1.5)]
    seen = [Seen("ana", 0, 7, 1.25), Seen("ana", 0, 8, 1.75), Seen("ana", 0, 12, 2.0), Seen("ana", 0, 13, 9.0)]
    assert delays(sent, seen) == [250.0, 500.0]


def test_an_answer_of_somebody_else_or_of_another_partition_covers_nothing() -> None:
    sent = [Sent("ana", 0, 7, 1.0)]
    assert delays(sent, [Seen("ben", 0, 8, 2.0), Seen("ana", 1, 8, 2.0), Seen("ana", 0, 6, 2.0)]) == []
