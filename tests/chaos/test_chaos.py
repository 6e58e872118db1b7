"""Faults on purpose: a selection of `make chaos` on a real Kafka, and the checker's own eyes."""

import json
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from ranker.profile.codec import unpack
from tests.chaos import golden
from tests.chaos.__main__ import SCENARIOS
from tests.chaos.check import BREACHES, breaches, longest_gap, without_counters
from tests.chaos.inputs import GOLDEN
from tests.chaos.kills import ROUNDS, crashes, steps_of
from tests.chaos.rig import judged
from tests.support.brokers import needs_java_and_maven
from tests.support.paths import ROOT

CHOSEN = ("K2", "K11", "K20")  # killed at work and while recovering, damaged changelogs, an earlier release's state
LIMIT_S = 1800  # 60 to 100 s on two cores, and as much again for everything that runs beside it


@pytest.fixture(scope="module")
def lines() -> dict[str, dict[str, Any]]:
    """What the scenarios printed, by their name; one broker for all."""
    needs_java_and_maven()
    command = [sys.executable, "-m", "tests.chaos", "--only", ",".join(CHOSEN)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.stdout, done.stderr[-3000:]
    found = {line["k"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == (0 if all(line["ok"] for line in found.values()) else 1)
    return found


@pytest.mark.connected
@pytest.mark.parametrize("k", CHOSEN)
def test_every_promise_is_kept_through(k: str, lines: dict[str, dict[str, Any]]) -> None:
    line = lines[k]
    assert line["breaches"] == []
    assert line["ok"]
    assert line["events"] > 100
    assert line["slates"] > 10


@pytest.mark.parametrize("name", BREACHES)
def test_a_breach_is_named(name: str) -> None:
    sound = {"LOST": 0, "DIGEST": "equal", "falls": {"state": 0}, "lag": 0, "exits": 0}
    assert breaches(sound) == []
    assert breaches(sound | {name: 2}) == [f"{name} 2"]


def test_other_state_a_fall_lag_and_an_unasked_end_are_breaches() -> None:
    assert breaches({"DIGEST": "DIFFERENT"}) == ["DIGEST"]
    assert breaches({"falls": {"slates": 3}}) == ["falls: slates 3"]
    assert breaches({"falls": {"slates": 3}}, falls=True) == []  # only for a worker that was frozen
    assert judged({"lag": 4, "exits": 1})["breaches"] == ["lag 4", "1 workers ended by themselves"]


def test_the_long_round_kills_200_times_and_every_agent_at_every_step() -> None:
    plans = {agent: crashes(0, agent, rounds[1]) for agent, rounds in ROUNDS.items()}
    assert sum(map(len, plans.values())) >= 200
    for agent, plan in plans.items():
        steps = Counter(crash.step for crash in plan if crash)
        assert set(steps) == set(steps_of(agent))
        assert set(steps.values()) == {ROUNDS[agent][1]}
        assert crashes(0, agent, 2) == crashes(0, agent, 2) != crashes(1, agent, 2)


def test_each_scenario_has_a_name_of_its_own() -> None:
    assert len({scenario.k for scenario in SCENARIOS}) == len(SCENARIOS)


def test_state_that_format_p1_stored_is_what_its_events_give_today() -> None:
    stored = golden.read(GOLDEN)
    today = {user: without_counters(unpack(value)) for user, value in golden.folded(stored.sent).items()}
    assert today == {user: unpack(value) for user, value in stored.profiles.items()}
    assert sum(unpack(value).version for value in stored.profiles.values()) == len(stored.sent)


def test_the_longest_gap_is_taken_within_each_partition() -> None:
    assert longest_gap({0: [0, 1000, 9000], 1: [5000]}) == 8.0
    assert longest_gap({}) == 0.0
