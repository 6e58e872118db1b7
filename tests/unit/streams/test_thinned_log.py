"""Client log lines that repeat are cut down: the first is written, and later how many there were."""

import logging

import pytest

from streams.kafka import client, thinned_log
from streams.kafka.thinned_log import KINDS, Thinned


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(thinned_log, "time", clock)
    return clock


def written(thinned: Thinned, text: str) -> str | None:
    record = logging.LogRecord("freshet.librdkafka", logging.ERROR, "", 0, text, (), None)
    return record.getMessage() if thinned.filter(record) else None


def test_of_lines_that_differ_in_numbers_alone_the_first_is_written_and_then_their_number(clock: Clock) -> None:
    thinned = Thinned()
    lines = [f"[consumer-{n % 3}] 127.0.0.1:9092: Connect failed (after {n}ms)" for n in range(240)]
    assert [line for line in lines if written(thinned, line)] == lines[:1]
    clock.now_s += 60
    assert written(thinned, lines[0]) == f"{lines[0]} (239 more such lines in 60 s)"
    assert written(thinned, lines[0]) is None


def test_of_a_broker_that_is_away_all_clients_of_a_process_say_one_line(clock: Clock) -> None:
    thinned, why = Thinned(), "Connect to ipv4#127.0.0.1:9092 failed: Connection refused (after 0ms in state CONNECT)"
    clients = ("faust-0.15.3#consumer-2", "rdkafka#producer-1", "rdkafka#consumer-12")
    lines = [f"FAIL [{one}] [thrd:127.0.0.1:9092/bootstrap]: 127.0.0.1:9092/bootstrap: {why}" for one in clients]
    assert [line for line in lines if written(thinned, line)] == lines[:1]
    assert written(thinned, "FAIL [rdkafka#consumer-3] [thrd:h:1/2]: h:1/2: Disconnected (after 9ms in state UP)")


def test_another_kind_of_line_is_written_at_once(clock: Clock) -> None:
    thinned = Thinned()
    assert written(thinned, "Connect failed") and written(thinned, "Disconnected")


def test_a_line_that_comes_seldom_is_written_as_it_is(clock: Clock) -> None:
    thinned = Thinned()
    for _ in range(3):
        assert written(thinned, "Disconnected") == "Disconnected"
        clock.now_s += 60


def test_what_is_remembered_of_kinds_is_bounded(clock: Clock) -> None:
    thinned = Thinned()
    for number in range(3 * KINDS):
        written(thinned, "x" * number)
    assert len(thinned._kinds) == KINDS


def test_the_lines_of_all_clients_of_a_process_are_thinned() -> None:
    assert client.CLIENT["logger"] is client.client_log
    assert any(isinstance(one, Thinned) for one in client.client_log.filters)
