"""How long records gather before the next fetch."""

import random

import pytest

from streams.kafka.gather import FIXED_SHARE, LEAST_S, LONGEST_S, WORTH, Gather

SINCE_S = 0.005  # the fetch before, where that does not matter
BUSY = 20  # records: more than WORTH in that time


def after(polls: list[tuple[int, float]]) -> Gather:
    gather = Gather()
    for records, spent_s in polls:
        gather.observe(records, spent_s, SINCE_S)
    return gather


def test_before_a_poll_is_known_the_wait_is_the_least() -> None:
    assert Gather().interval_s == LEAST_S


def test_where_few_records_come_the_wait_is_the_least_whatever_a_poll_costs() -> None:
    gather = Gather()
    for _ in range(100):
        gather.observe(1, 0.01, WORTH * LONGEST_S)
    assert gather.fixed_s > LEAST_S
    assert gather.interval_s == LEAST_S


def test_the_fixed_cost_is_told_from_that_of_the_records() -> None:
    chance = random.Random(5)
    sizes = [chance.randrange(1, 60) for _ in range(200)]
    gather = after([(size, 0.004 + 0.0005 * size) for size in sizes])
    assert gather.fixed_s == pytest.approx(0.004, rel=0.02)
    assert gather.interval_s == pytest.approx(0.004 / FIXED_SHARE, rel=0.02)


def test_of_polls_of_one_size_all_is_taken_for_fixed() -> None:
    assert after([(1, 0.002)] * 100).fixed_s == pytest.approx(0.002)


def test_it_follows_a_machine_that_gets_busy_and_is_free_again() -> None:
    gather = after([(BUSY, 0.003)] * 100)
    free_s = gather.interval_s
    for _ in range(100):
        gather.observe(BUSY, 0.0045, SINCE_S)
    assert gather.interval_s == pytest.approx(1.5 * free_s, rel=0.1)
    for _ in range(200):
        gather.observe(BUSY, 0.003, SINCE_S)
    assert gather.interval_s == pytest.approx(free_s, rel=0.1)


def test_an_outage_is_forgotten_and_no_wait_is_longer_than_the_limit() -> None:
    gather = after([(BUSY, 0.003)] * 100)
    gather.observe(BUSY, 600.0, 600.0)
    assert gather.interval_s <= LONGEST_S
    for _ in range(150):
        gather.observe(BUSY, 0.003, SINCE_S)
    assert gather.interval_s == pytest.approx(0.003 / FIXED_SHARE, rel=0.3)


@pytest.mark.parametrize("rate", [10, 100, 1000, 5000])
@pytest.mark.parametrize("fixed_s", [0.001, 0.004])
def test_a_busy_server_spends_its_share_and_an_idle_one_waits_for_nothing(rate: int, fixed_s: float) -> None:
    """A single server in simulated time, at Poisson arrivals."""
    chance, gather = random.Random(rate), Gather()
    arrivals, now_s = [], 0.0
    while now_s < 20:
        now_s += chance.expovariate(rate)
        arrivals.append(now_s)
    at, clock_s, fetched_s, polls, waits_s = 0, 0.0, -1.0, 0, []
    while at < len(arrivals):
        clock_s = max(clock_s, arrivals[at], fetched_s + gather.interval_s)
        before_s, fetched_s, first = fetched_s, clock_s, at
        while at < len(arrivals) and arrivals[at] <= fetched_s:
            waits_s.append(fetched_s - arrivals[at])
            at += 1
        spent_s = fixed_s + 0.00002 * (at - first)
        gather.observe(at - first, spent_s, fetched_s - before_s)
        clock_s, polls = clock_s + spent_s, polls + 1
    median_s = sorted(waits_s)[len(waits_s) // 2]
    if rate * max(LEAST_S, fixed_s / FIXED_SHARE) >= 2 * WORTH:
        assert polls * fixed_s / 20 < 1.1 * FIXED_SHARE
    elif rate <= 100:
        assert median_s < LEAST_S / 2
    assert max(waits_s) < LONGEST_S + fixed_s + 0.01
