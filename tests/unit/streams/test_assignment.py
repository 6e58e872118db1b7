"""No assignment where there should be one is a state of its own; a spare worker is well."""

from types import SimpleNamespace
from typing import Any

import pytest

from streams.kafka import group_state
from streams.worker import assignment
from streams.worker.assignment import AssignmentWatch

LIMIT_S = 120.0


class Clock:
    now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(assignment, "time", clock)
    return clock


def worker(unassigned_s: float = 0.0, owned: Any = ()) -> Any:
    return SimpleNamespace(unassigned_s=unassigned_s, assignment=lambda: set(owned), topics=["feedback.v1"])


def watched(clock: Clock, one: Any, seconds: int, reachable: bool = True) -> AssignmentWatch:
    watch = AssignmentWatch({}, "a-group", LIMIT_S)
    for _ in range(seconds):
        clock.now_s += 1
        watch.look(one, reachable)
    return watch


def unowned(monkeypatch: pytest.MonkeyPatch, *left: tuple[str, int]) -> None:
    monkeypatch.setattr(group_state, "unowned", lambda *_: set(left))


def test_a_group_that_says_nothing_is_named_soon_and_ends_the_worker_in_the_end(clock: Clock) -> None:
    assert watched(clock, worker(unassigned_s=1.0), 10).trouble == ""
    named = watched(clock, worker(unassigned_s=1.0), 30)
    assert "answers no JoinGroup" in named.trouble and "restart it" in named.trouble
    assert named.why_end() == ""
    assert "for 130 s its group does not say" in watched(clock, worker(unassigned_s=1.0), 130).why_end()


def test_while_the_broker_is_away_nothing_is_said_of_the_group(clock: Clock) -> None:
    assert watched(clock, worker(unassigned_s=1.0), 500, reachable=False).trouble == ""


def test_a_spare_worker_is_well(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    unowned(monkeypatch)
    assert watched(clock, worker(), 500).trouble == ""


def test_one_without_a_partition_is_not_while_partitions_are_left_over(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    unowned(monkeypatch, ("feedback.v1", 2), ("feedback.v1", 0))
    watch = watched(clock, worker(), 200)
    assert "no worker of its group has feedback.v1[0], feedback.v1[2]" in watch.trouble
    assert watch.why_end()


def test_a_worker_with_a_partition_is_well_whatever_the_others_have(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    unowned(monkeypatch, ("feedback.v1", 2))
    assert watched(clock, worker(owned={("feedback.v1", 0)}), 500).trouble == ""


def test_a_rebalance_that_ends_is_no_trouble(clock: Clock) -> None:
    watch = watched(clock, worker(unassigned_s=1.0), 14)
    watch.look(worker(owned={("feedback.v1", 0)}), True)
    clock.now_s += 10
    watch.look(worker(unassigned_s=1.0), True)
    assert watch.trouble == ""
