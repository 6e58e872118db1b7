"""Topics read by a command: what the broker does not answer ends the command with a reason, instead of waiting on."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from confluent_kafka import OFFSET_INVALID, KafkaError

from schemas.settings.model import Settings
from streams.errors import OperatorError, missing_topic
from streams.kafka.client import METADATA_TIMEOUT_S, KafkaException
from streams.kafka.reader import FETCH_TIMEOUT_S, GrouplessConsumer, fetch_between, groupless, watermarks
from streams.kafka.records import Message, Record, TopicPartition, records_of
from streams.kafka.unreadable import OnUnreadable, UnreadableBatch, pass_over

P = ParamSpec("P")
T = TypeVar("T")

Options = Mapping[str, object] | None  # of librdkafka, over the usual ones

UNSETTLED = (  # a topic that was just made, or a broker that has just begun to keep groups
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError._WAIT_COORD,
)
UNSETTLED_S = 0.2
GROUP_TIMEOUT_S = 30.0  # for what a group has committed: the first question makes a broker begin to keep groups
SILENCE_S = 30.0  # without a record short of the end: then the broker does not deliver


class CommandReader:
    """Reads topics for one command.

    One client asks, and each reading has another: a question would wait for the fetches before it, half a second each.
    """

    def __init__(self, settings: Settings, options: Options, consumer: GrouplessConsumer) -> None:
        self._settings, self._options, self._consumer = settings, options, consumer

    def partitions(self, topic: str) -> list[int]:
        """Partition numbers of a topic; an empty list when there is no such topic."""
        found = _ask(topic, self._consumer.list_topics, topic, METADATA_TIMEOUT_S).topics[topic]
        if found.error and found.error.code() not in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
            raise _refused(topic, found.error)
        return sorted(found.partitions)

    def require_partitions(self, topic: str) -> list[int]:
        """The same; OperatorError when there is no such topic."""
        if partitions := self.partitions(topic):
            return partitions
        raise missing_topic(topic)

    def bounds(self, topic: str) -> dict[int, tuple[int, int]]:
        """First offset of each partition and the one after its last record, now."""
        return {p: _ask(topic, watermarks, self._consumer, topic, p) for p in self.partitions(topic)}

    def records(
        self, topic: str, starts: Mapping[int, int] | None = None, on_unreadable: OnUnreadable = lambda _: None
    ) -> Iterator[Record]:
        """Every record of a topic up to its present end, in offset order per partition.

        starts         offsets by partition to begin at; where none is given, the oldest record
        on_unreadable  is told of each batch that was passed over
        """
        bounds = self.bounds(topic)
        first = {p: max(low, (starts or {}).get(p, low)) for p, (low, _) in bounds.items()}
        ends, silent_s = {p: end for p, (_, end) in bounds.items()}, 0.0

        def passed(batch: UnreadableBatch) -> None:
            nonlocal silent_s
            silent_s = 0.0
            on_unreadable(batch)

        with groupless(self._settings, self._options) as consumer:
            batches = fetch_between(self._settings, consumer, topic, first, ends, passed)
            while (batch := _ask(topic, next, batches, None)) is not None:
                silent_s = 0.0 if batch else silent_s + FETCH_TIMEOUT_S
                if silent_s > SILENCE_S:
                    raise OperatorError(f"{topic}: the broker delivers nothing more, short of the end.", "Try again.")
                yield from records_of(batch)

    def one(self, topic: str, partition: int, offset: int) -> Record | None:
        """The record at an offset; None where there is none."""
        with groupless(self._settings, self._options) as consumer:
            found = fetch_between(self._settings, consumer, topic, {partition: offset}, {partition: offset + 1})
            while (batch := _ask(topic, next, found, None)) is not None:
                for record in records_of(batch):
                    return record
        return None

    def follow(self, places: Mapping[str, int]) -> None:
        """Seek to the present end of one partition of each topic; `new_records` gives what is written from now on."""
        ends = {topic: _ask(topic, watermarks, self._consumer, topic, p)[1] for topic, p in places.items()}
        self._consumer.assign([TopicPartition(topic, p, ends[topic]) for topic, p in places.items()])

    def new_records(self, limit_s: float) -> list[Record]:
        """What was written to the followed partitions since the last call; waits for it for so long at most."""
        refused: list[Message] = []
        records = records_of(_ask("Kafka", self._consumer.consume, 1000, limit_s), refused)
        pass_over(self._settings, self._consumer, refused)
        return records

    def committed(self, topic: str, partition: int) -> int | None:
        """The offset that the reader's group has committed, or None."""
        place = TopicPartition(topic, partition)
        (found,) = _ask(topic, self._consumer.committed, [place], GROUP_TIMEOUT_S)
        return None if found.offset == OFFSET_INVALID else found.offset

    def commit(self, topic: str, offsets: Mapping[int, int]) -> None:
        """Commit offsets by partition for the reader's group, without joining it."""
        places = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]
        _ask(topic, self._consumer.commit, offsets=places, asynchronous=False)


@contextmanager
def command_reader(settings: Settings, options: Options = None) -> Iterator[CommandReader]:
    """A reader for the time of a `with`; `group.id` among the options is the group that commits."""
    with groupless(settings, options) as consumer:
        yield CommandReader(settings, options, consumer)


def _ask(topic: str, ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Ask, and for some seconds again where the broker is about to choose who leads the partition."""
    end = time.monotonic() + METADATA_TIMEOUT_S
    while True:
        try:
            return ask(*args, **kwargs)
        except KafkaException as error:
            if error.args[0].code() not in UNSETTLED or time.monotonic() > end:
                raise _refused(topic, error.args[0]) from error
        time.sleep(UNSETTLED_S)


def _refused(topic: str, error: KafkaError) -> OperatorError:
    return OperatorError(f"{topic}: {error.str()}.", "Check that the broker runs, and the rights at it.")
