"""Records published by a command: each is confirmed by its delivery report, or the command ends with a reason."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from confluent_kafka import KafkaError, Message, Producer

from schemas.settings.model import Settings
from schemas.topics import MAX_RECORD_BYTES
from streams.errors import OperatorError
from streams.kafka.client import CLIENT, KafkaException
from streams.kafka.command_reader import command_reader
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.security import librdkafka_options

BY_KEY = -1  # librdkafka chooses the partition: by murmur2 of the key, or at random where there is none
NOW = 0  # librdkafka then takes the time at which a record is handed to it
FLUSH_MARGIN_S = 10.0  # how much longer than librdkafka itself we wait for a delivery report


class CommandPublisher:
    """Publishes batches, one after the other.

    limit_s  after which librdkafka gives a record up
    remedy   what the operator should do where a record was not confirmed
    """

    def __init__(self, settings: Settings, *, limit_s: float, remedy: str) -> None:
        self._settings, self._limit_s, self._remedy = settings, limit_s, remedy
        self._known_topics: set[str] = set()
        self._client = Producer(
            {
                **CLIENT,
                **librdkafka_options(settings),
                "enable.idempotence": True,  # and with it acks=all
                "partitioner": "murmur2_random",  # as the agents have it
                "message.max.bytes": MAX_RECORD_BYTES,
                "message.timeout.ms": int(1000 * limit_s),
            }
        )

    def publish(
        self, topic: str, records: Sequence[Outgoing], partition: int = BY_KEY, times_ms: Sequence[int] = ()
    ) -> list[int]:
        """Send records in their order; returns the offset of each once all are confirmed.

        times_ms  of each record, Unix time; none given: now
        """
        self._require(topic)
        reports: dict[int, tuple[KafkaError | None, Message]] = {}  # by the record's place in the batch
        for at, (key, value, headers) in enumerate(records):
            on_delivery = partial(_keep_report, reports, at)
            try:
                time_ms = times_ms[at] if times_ms else NOW
                self._client.produce(
                    topic, value, key, partition, on_delivery, timestamp=time_ms, headers=list(headers)
                )
            except KafkaException as error:  # the client itself refuses it: too large, for one
                raise self._not_confirmed(topic, error.args[0].str()) from error
        self._client.flush(self._limit_s + FLUSH_MARGIN_S)
        if refusal := next((error for error, _ in reports.values() if error is not None), None):
            raise self._not_confirmed(topic, refusal.str())
        if len(reports) < len(records):
            raise self._not_confirmed(topic, f"no delivery report within {self._limit_s:g} s")
        return [reports[at][1].offset() or 0 for at in range(len(records))]

    def close(self) -> None:
        """Give up what was not confirmed, so that nothing of it is written after the command has ended."""
        self._client.purge()
        self._client.flush(FLUSH_MARGIN_S)

    def _require(self, topic: str) -> None:
        """Refuse a topic that is not there: a broker may create it at the first record, with settings of its own."""
        if topic not in self._known_topics:
            with command_reader(self._settings) as reader:
                reader.require_partitions(topic)
            self._known_topics.add(topic)

    def _not_confirmed(self, topic: str, why: str) -> OperatorError:
        return OperatorError(f"{topic}: a record was not confirmed: {why}.", self._remedy)


def _keep_report(
    reports: dict[int, tuple[KafkaError | None, Message]], at: int, error: KafkaError | None, message: Message
) -> None:
    reports[at] = error, message


@contextmanager
def command_publisher(settings: Settings, *, limit_s: float, remedy: str) -> Iterator[CommandPublisher]:
    """A publisher for the time of a `with`."""
    publisher = CommandPublisher(settings, limit_s=limit_s, remedy=remedy)
    try:
        yield publisher
    finally:
        publisher.close()
