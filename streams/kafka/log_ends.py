"""Offsets of many partitions in one request: their ends, or where what was written since some time begins."""

from collections.abc import Iterable, Mapping

from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from schemas.settings.model import Settings
from streams.kafka.client import ANSWER_TIMEOUT_S, CLIENT, KafkaException
from streams.kafka.records import TopicPartition
from streams.kafka.security import librdkafka_options

UNNAMED = (
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
)
Place = tuple[str, int]  # topic and partition


class LogEnds:
    """Asks with one client, and with another one after a question without an answer."""

    def __init__(self, settings: Settings) -> None:
        self._options = {**CLIENT, **librdkafka_options(settings)}
        self._client: AdminClient | None = None

    def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """The offset after the last record of each partition, without those that are not there or may not be asked for.

        KafkaException where the broker does not answer.
        """
        return self._ask(dict.fromkeys(places, OffsetSpec.latest()))

    def since(self, places: Iterable[Place], at_ms: int) -> dict[Place, int]:
        """The first offset of this record time or later; of a partition without such a record its end."""
        asked = list(places)
        found = self._ask(dict.fromkeys(asked, OffsetSpec.for_timestamp(at_ms)))
        nothing = [place for place, offset in found.items() if offset < 0]
        return found | (self.ends(nothing) if nothing else {})

    def _ask(self, specs: Mapping[Place, OffsetSpec]) -> dict[Place, int]:
        client = self._client = self._client or AdminClient(self._options)  # type: ignore[arg-type]
        asked = {TopicPartition(*place): spec for place, spec in specs.items()}
        found = {}
        for one, answer in client.list_offsets(asked, request_timeout=ANSWER_TIMEOUT_S).items():
            try:
                found[one.topic, one.partition] = answer.result().offset
            except KafkaException as error:
                if error.args[0].code() not in UNNAMED:
                    self._client = None
                    raise
        return found
