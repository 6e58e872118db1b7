"""A client that has lost its broker is told from one whose broker is away, and replaced."""

import asyncio
import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from ranker.catalogue.catalogue import Catalogue
from schemas.settings.model import Settings
from streams.kafka import client, lost_broker, reader, stalled
from streams.kafka.client import answered_in_time
from streams.kafka.log_ends import LogEnds
from streams.kafka.lost_broker import BrokerWatch
from streams.kafka.positions import Positions
from streams.kafka.producer import Producer
from streams.kafka.topic_watch import TopicWatch
from streams.kafka.unreadable import UnreadableBatch
from streams.ranking import catalogue_replica
from streams.ranking.shared_state import SharedState


class Client:
    """Answers, names no broker, or is not answered."""

    def __init__(self, *brokers: str, answered: bool = True) -> None:
        self.brokers, self.answered = brokers, answered

    def list_topics(self, _: str, __: float) -> Any:
        if not self.answered:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        return SimpleNamespace(brokers=self.brokers)


WELL, BROKERLESS, DEAF = Client("1"), Client(), Client(answered=False)


def judged(monkeypatch: pytest.MonkeyPatch, ours: Client, fresh: Client, times: int) -> list[bool]:
    async def ask() -> list[bool]:
        watch, asking = BrokerWatch({}), asyncio.Lock()
        return [await watch.is_lost(ours, "a.topic", asking) for _ in range(times)]

    monkeypatch.setattr(lost_broker, "AdminClient", lambda _: fresh)
    return asyncio.run(ask())


@pytest.mark.parametrize("ours", [BROKERLESS, DEAF])
def test_a_client_is_lost_that_is_not_answered_twice_while_a_fresh_one_is(
    ours: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert judged(monkeypatch, ours, fresh=WELL, times=3) == [False, True, True]


@pytest.mark.parametrize("fresh", [BROKERLESS, DEAF])
def test_while_the_broker_is_away_no_client_is_lost(fresh: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert judged(monkeypatch, DEAF, fresh, times=5) == [False] * 5


def test_a_client_that_is_answered_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    assert judged(monkeypatch, WELL, fresh=WELL, times=3) == [False] * 3


class Slow(Client):
    """Answers, and takes a second for it."""

    def list_topics(self, topic: str, limit_s: float) -> Any:
        if limit_s < 1:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        return super().list_topics(topic, limit_s)


def test_a_client_that_is_answered_slowly_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    assert judged(monkeypatch, Slow("1"), fresh=WELL, times=3) == [False] * 3


def test_a_client_that_hears_of_its_broker_is_suspected_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost_broker, "AdminClient", lambda _: WELL)
    watch, asking = BrokerWatch({}), asyncio.Lock()
    assert not asyncio.run(watch.is_lost(DEAF, "a.topic", asking)) and not watch.answered
    watch.hear()
    assert watch.answered
    assert not asyncio.run(watch.is_lost(DEAF, "a.topic", asking))  # the first suspicion again


def statistics(at_s: float, answers: int) -> str:
    return json.dumps({"ts": int(1_000_000 * at_s), "rx": answers, "topics": {}})


def test_a_client_says_when_a_broker_has_answered_it_last() -> None:
    positions = Positions(TopicWatch({}), {})
    take = positions.observer()
    take(statistics(1, 0))
    assert positions.answered_s == 0
    take(statistics(2, 7))
    take(statistics(3, 7))
    assert positions.answered_s == 2
    another = positions.observer()  # which has heard nothing yet
    another(statistics(4, 0))
    assert positions.answered_s == 2
    another(statistics(5, 1))
    assert positions.answered_s == 5


class Sending:
    """A client of a producer, which gives back what it is told to purge."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *_: self.calls.append(name)


def test_a_producer_that_is_replaced_gives_back_what_it_had_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost_broker, "CLOSE_DELAY_S", 60.0)
    old, new = Sending(), Sending()
    producer = Producer.__new__(Producer)
    producer.client = old
    monkeypatch.setattr(producer, "_new_client", lambda: new)
    producer.replace_client()
    assert old.calls == ["purge", "poll"]  # the delivery reports come in the poll
    assert producer.client is new


def test_a_question_without_an_answer_is_given_up_between_two_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "RETRY_DELAY_S", 0.01)
    monkeypatch.setattr(client, "PATIENCE_S", 0.05)
    with pytest.raises(TimeoutError, match="the broker does not answer"):
        asyncio.run(answered_in_time(DEAF.list_topics, "a.topic", 0.0))


def test_a_topic_that_is_being_made_again_is_asked_for_until_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = [
        KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)),
        KafkaException(KafkaError(KafkaError._UNKNOWN_TOPIC)),
        (3, 7),
    ]

    def get_watermark_offsets(*_: Any) -> tuple[int, int]:
        if isinstance(answer := answers.pop(0), Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    monkeypatch.setattr(client, "RETRY_DELAY_S", 0.01)
    asked: Any = SimpleNamespace(get_watermark_offsets=get_watermark_offsets)
    assert asyncio.run(reader.bounds(asked, "a.topic", 0)) == (3, 7)


class Reading:
    """A groupless client that brings two of four records and then nothing, or the rest."""

    opened = 0

    def __init__(self, *_: Any) -> None:
        Reading.opened += 1
        self._at, self._left = 0, 2

    def assign(self, places: list[TopicPartition]) -> None:
        self._at = places[0].offset

    def consume(self, *_: Any) -> list[Any]:
        if not self._left:
            return []
        self._left, self._at = self._left - 1, self._at + 1
        at = self._at - 1
        return [SimpleNamespace(partition=lambda: 0, offset=lambda: at, error=lambda: None)]

    def position(self, _: Any) -> list[TopicPartition]:
        return [TopicPartition("a.topic", 0, self._at)]

    def close(self) -> None: ...


def test_a_topic_is_read_on_with_another_client_where_the_first_fell_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "Consumer", Reading)
    monkeypatch.setattr(Reading, "opened", 0)
    monkeypatch.setattr(reader, "PATIENCE_S", 0.02)
    monkeypatch.setattr(reader, "pass_stalled", lambda *_: None)  # which asks the broker itself

    async def read() -> list[int]:
        batches = reader._messages_between(Settings(), "a.topic", {0: 0}, {0: 4})
        return [message.offset() for batch in [b async for b in batches] for message in batch]

    assert asyncio.run(read()) == [0, 1, 2, 3]
    assert Reading.opened == 2


class Silent(Reading):
    """One that never brings anything."""

    def consume(self, *_: Any) -> list[Any]:
        return []

    def position(self, places: Any) -> list[TopicPartition]:
        return [TopicPartition(one.topic, one.partition, 0) for one in places]


class Ends(LogEnds):
    """Of a broker that holds one partition."""

    def __init__(self, first: int, end: int) -> None:
        self.first, self.end = first, end

    def ends(self, _: Any) -> dict[tuple[str, int], int]:
        return {("freshet.features.v1", 0): self.end}

    def firsts(self, _: Any) -> dict[tuple[str, int], int]:
        return {("freshet.features.v1", 0): self.first}


def replica_of(ends: Ends) -> catalogue_replica.CatalogueReplica:
    shared = SharedState(Settings(), Catalogue())
    replica = catalogue_replica.CatalogueReplica(Settings(), shared, TopicWatch({}))
    replica._log_ends = ends
    return replica


def test_a_catalogue_is_not_current_while_its_reader_is_silent_short_of_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catalogue_replica, "PATIENCE_S", 0.05)

    replica = replica_of(Ends(first=0, end=9))
    places = [TopicPartition("freshet.features.v1", 0, 0)]
    with pytest.raises(TimeoutError, match="short of the end"):
        asyncio.run(replica._check(Silent(), places))  # type: ignore[arg-type]
    assert replica._current_as_of_s == float("-inf")


def test_an_end_up_to_which_nothing_is_held_any_more_is_not_waited_for() -> None:
    replica = replica_of(Ends(first=9, end=9))
    asyncio.run(replica._check(Silent(), [TopicPartition("freshet.features.v1", 0, 0)]))  # type: ignore[arg-type]
    assert replica._current_as_of_s > 0


def test_a_catalogue_is_not_current_while_a_partition_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PATIENCE_S", 0.0)
    replica = replica_of(Ends(first=0, end=0))
    places = [TopicPartition("freshet.features.v1", number, 0) for number in (0, 1)]
    with pytest.raises(TimeoutError):
        asyncio.run(replica._check(Silent(), places))  # type: ignore[arg-type]
    assert replica._current_as_of_s == float("-inf")


def test_who_reads_on_begins_behind_what_was_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[dict[int, int]] = []

    def fetched(_: Any, __: Any, topic: str, places: dict[int, int], ___: Any, passed: Any) -> Any:
        begun.append(dict(places))
        if len(begun) == 1:
            passed(UnreadableBatch(topic, 0, 0, 9, 0, "torn"))
            time.sleep(0.05)
            yield []

    monkeypatch.setattr(reader, "fetch_between", fetched)
    monkeypatch.setattr(reader, "Consumer", Reading)
    monkeypatch.setattr(reader, "PATIENCE_S", 0.02)

    async def read() -> list[Any]:
        return await reader.read_between(Settings(), "a.topic", 0, 0, 20)

    assert asyncio.run(read()) == []
    assert begun == [{0: 0}, {0: 10}]


def test_what_stopped_a_client_is_looked_for_before_another_one_takes_its_place() -> None:
    assert reader.STALLED_FETCHES * reader.FETCH_TIMEOUT_S + stalled.SECOND_TRY_S < reader.PATIENCE_S


@pytest.mark.parametrize(
    ("patient", "impatient", "answered"), [(WELL, DEAF, True), (DEAF, WELL, True), (DEAF, DEAF, False)]
)
def test_of_two_fresh_clients_one_gives_up_a_silent_address_in_time_for_another(
    patient: Client, impatient: Client, answered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who gives up soon may never be connected to a broker that is far away, so either is enough."""
    setups: list[float] = []

    def client(options: dict[str, Any]) -> Client:
        if "socket.connection.setup.timeout.ms" not in options:
            return patient
        setups.append(options["socket.connection.setup.timeout.ms"] / 1000)
        return impatient

    monkeypatch.setattr(lost_broker, "AdminClient", client)
    assert lost_broker.is_fresh_client_answered({}, "a.topic") == answered
    assert all(2 * setup_s < lost_broker.PROBE_TIMEOUT_S for setup_s in setups)


def test_a_client_that_cannot_be_made_is_not_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: Any) -> Any:
        raise KafkaException(KafkaError(KafkaError._INVALID_ARG))

    monkeypatch.setattr(lost_broker, "AdminClient", refused)
    assert not lost_broker.is_fresh_client_answered({}, "a.topic")
