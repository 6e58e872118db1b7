"""Of a broker that is away one line is written when it goes and one when it is back, whatever is logged meanwhile."""

import logging
from collections.abc import Callable, Iterator

import pytest

from streams.kafka import outage
from streams.kafka.outage import CLIENT_LOG, OF_OUTAGE, TRUSTED_S, BrokerOutage
from streams.kafka.thinned_log import Thinned

FAIL = (
    "FAIL [faust-0.15.3#consumer-2] [thrd:GroupCoordinator]: GroupCoordinator: 127.0.0.1:9092: "
    "Connect to ipv4#127.0.0.1:9092 failed: Connection refused (after 0ms in state CONNECT)"
)
GONE = (
    "the broker does not answer, nothing is committed or acknowledged until it does: "
    "Connect to ipv4#127.0.0.1:9092 failed: Connection refused (after 0ms in state CONNECT)"
)
LIBRARY, OURS = logging.getLogger(CLIENT_LOG), logging.getLogger("freshet.consumer")


class Story:
    """A broker that answers or does not; what the process says meanwhile is said while it is asked."""

    def __init__(self, *answers: bool | Callable[[], None]) -> None:
        self.now_s, self.answers = 0.0, list(answers)
        self.outage = BrokerOutage(self.is_answered, lambda: self.now_s)

    def is_answered(self) -> bool:
        found = self.answers.pop(0)
        if isinstance(found, bool):
            self.now_s += 1
            return found
        found()
        return self.is_answered()


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What asks is called by the tests; filters of the loggers are as they were in the end."""
    filters = {name: [*logging.getLogger(name).filters] for name in outage.LOGGERS}
    for name in filters:
        logging.getLogger(name).filters[:] = [Thinned()]
    monkeypatch.setattr(outage.threading, "Thread", lambda **_: type("Thread", (), {"start": lambda _: None})())
    monkeypatch.setattr(outage, "RETRY_S", 0.0)
    monkeypatch.setattr(outage, "SETTLING_S", 0.05)
    yield
    for name, before in filters.items():
        logging.getLogger(name).filters[:] = before


def trouble() -> None:
    """What two clients and an agent say of it."""
    OURS.warning("the group reassigned 4 partitions: this worker was silent too long", extra=OF_OUTAGE)
    for _ in range(3):
        LIBRARY.error(FAIL)


def test_an_outage_is_one_line_when_it_begins_and_one_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    story = Story(False, trouble, False, trouble, False, trouble, True)
    story.outage.install()
    trouble()
    assert caplog.messages == []
    story.outage.look()
    assert caplog.messages == [GONE, "the broker answers again, after 3 s"]


def test_what_fails_although_the_broker_answers_is_written(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    story = Story(True)
    story.outage.install()
    LIBRARY.error(FAIL)
    assert caplog.messages == []
    story.outage.look()
    assert caplog.messages == [FAIL]
    OURS.warning("the offset of t[0] was not committed", extra=OF_OUTAGE)  # at once: it was asked a moment ago
    assert len(caplog.messages) == 2
    story.now_s += TRUSTED_S
    OURS.warning("the offset of t[1] was not committed", extra=OF_OUTAGE)
    assert len(caplog.messages) == 2


def test_a_broker_that_goes_once_more_before_all_found_back_is_named_once_more(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    story = Story(False, True, False, True, True)
    story.outage.install()
    trouble()
    monkeypatch.setattr(story.outage._suspected, "wait", lambda _: True)  # there is always some trouble
    story.outage.look()
    assert [one.partition(":")[0].partition(",")[0] for one in caplog.messages] == [
        "the broker does not answer",
        "the broker answers again",
    ] * 2


def test_other_lines_are_written_during_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    def others() -> None:
        OURS.warning("deleted and made again: t; joining the group again")
        OURS.info("answering 4 partitions", extra=OF_OUTAGE)

    story = Story(False, others, True)
    story.outage.install()
    trouble()
    story.outage.look()
    assert caplog.messages[1:3] == ["deleted and made again: t; joining the group again", "answering 4 partitions"]


def test_at_level_debug_nothing_is_kept_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    Story().outage.install()
    LIBRARY.error(FAIL)
    assert caplog.messages == [FAIL]


def test_trouble_in_the_thinned_minute_is_noticed_too(caplog: pytest.LogCaptureFixture) -> None:
    """It is looked at before it is thinned: a broker that goes twice within a minute is named twice."""
    caplog.set_level(logging.INFO)
    story = Story(True)
    story.outage.install()
    LIBRARY.error(FAIL)
    story.outage.look()
    story.now_s += TRUSTED_S
    LIBRARY.error(FAIL)
    assert [record.getMessage() for record in story.outage._held] == [FAIL]
