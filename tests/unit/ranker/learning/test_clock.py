"""The clock by which what is learned fades: it passes with time, but no faster than exposures come."""

import pytest

from ranker.learning.clock import FULL_DAY, ExposureClock
from schemas.messages.fields import DAY_MS
from tests.support.events import NOON

LEAST_MS = DAY_MS / FULL_DAY


def test_where_many_come_it_passes_with_time():
    clock = ExposureClock()
    start = clock.reach(NOON)
    assert [clock.reach(NOON + 10 * number) - start for number in range(1, 4)] == [10, 20, 30]


@pytest.mark.parametrize("gap_ms", [60_000, DAY_MS, 3650 * DAY_MS])
def test_where_few_come_it_passes_with_them(gap_ms: int):
    clock = ExposureClock()
    start = clock.reach(NOON)
    assert clock.reach(NOON + gap_ms) - start == pytest.approx(LEAST_MS, abs=1)
    assert clock.reach(NOON + 7000 * gap_ms) - start == pytest.approx(2 * LEAST_MS, abs=1)


def test_to_ask_changes_nothing_and_what_comes_late_is_earlier():
    clock = ExposureClock()
    now = clock.reach(NOON)
    assert clock.at(NOON + 5) == clock.at(NOON + 5) == now + 5
    assert clock.reach(NOON - 7000) == now - 7000
    assert clock.at(NOON + 5) == now + 5
