"""Offsets of many partitions in one request: firsts, ends, or where what was written since some time begins."""

from collections.abc import Collection, Iterable, Mapping

from confluent_kafka import OFFSET_INVALID, IsolationLevel, KafkaError
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
    """Asks with one client, and with another one after a question without an answer.

    may_be_read  whether an end is that of what may be read, before the first open transaction
    """

    def __init__(self, settings: Settings, *, may_be_read: bool = False) -> None:
        self._options = {**CLIENT, **librdkafka_options(settings)}
        self._isolation = IsolationLevel.READ_COMMITTED if may_be_read else IsolationLevel.READ_UNCOMMITTED
        self._client: AdminClient | None = None

    def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """The offset after the last record of each partition, without those that are not there or may not be asked for.

        KafkaException where the broker does not answer.
        """
        return self._ask(dict.fromkeys(places, OffsetSpec.latest()))

    def all_ends(self, places: Collection[Place]) -> dict[Place, int]:
        """The same of partitions that have to be there: KafkaException where one of them is not."""
        found = self.ends(places)
        if len(found) < len(places):
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
        return found

    def firsts(self, places: Iterable[Place]) -> dict[Place, int]:
        """The offset of the first record that each partition still holds, or its end where it holds none."""
        return self._ask(dict.fromkeys(places, OffsetSpec.earliest()))

    def since(self, places: Iterable[Place], at_ms: int) -> dict[Place, int]:
        """The first offset of this record time or later; of a partition without such a record its end."""
        asked = list(places)
        found = self._ask(dict.fromkeys(asked, OffsetSpec.for_timestamp(at_ms)))
        nothing = [place for place, offset in found.items() if offset < 0]
        return found | (self.ends(nothing) if nothing else {})

    def _ask(self, specs: Mapping[Place, OffsetSpec]) -> dict[Place, int]:
        if self._client is None:  # not by its truth: an AdminClient is false, for its length is 0
            self._client = AdminClient(self._options)  # type: ignore[arg-type]
        asked = {TopicPartition(*place): spec for place, spec in specs.items()}
        answers = self._client.list_offsets(asked, isolation_level=self._isolation, request_timeout=ANSWER_TIMEOUT_S)
        found = {}
        for one, answer in answers.items():
            try:
                found[one.topic, one.partition] = _named(answer.result().offset)
            except KafkaException as error:
                if error.args[0].code() not in UNNAMED:
                    self._client = None
                    raise
        return found


def _named(offset: int) -> int:
    """The offset of an answer; where the broker went meanwhile, the client may give this one in place of an error."""
    if offset == OFFSET_INVALID:
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))
    return offset
