"""Batches that the client library refuses: damaged, of an unknown codec, or too large when unpacked.

librdkafka reports such a batch with its first offset and fetches it again for ever. Everybody who reads a topic goes on
behind it: an agent with one dead letter, all others with a line in the log.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from schemas.settings.model import Settings
from streams.kafka.batch_head import BrokerError, NoBatch, batch_head
from streams.kafka.client import KafkaException, log
from streams.kafka.records import Message, TopicPartition


class UnreadableBatch(NamedTuple):
    """A batch that was passed over."""

    topic: str
    partition: int
    first: int
    last: int  # offsets, both of the batch
    newest_ms: int
    detail: str


OnUnreadable = Callable[[UnreadableBatch], None]


class Seeking(Protocol):
    """What is asked of a client that has to read on elsewhere."""

    def seek(self, partition: TopicPartition) -> None: ...


def pass_over(settings: Settings, client: Seeking, refused: Sequence[Message]) -> list[UnreadableBatch]:
    """Let the client read on behind the batches that it refused; it reports those again that cannot be found now."""
    first_of_each = {(message.topic(), message.partition()): message for message in reversed(refused)}
    found = [batch for message in first_of_each.values() if (batch := _passed_over(settings, client, message))]
    for batch in found:
        log.error("%s[%d]: passed over %s", batch.topic, batch.partition, batch.detail)
    return found


async def pass_over_in_thread(settings: Settings, client: Seeking, refused: Sequence[Message]) -> list[UnreadableBatch]:
    """The same, for an event loop."""
    return await asyncio.to_thread(pass_over, settings, client, refused) if refused else []


def _passed_over(settings: Settings, client: Seeking, message: Message) -> UnreadableBatch | None:
    topic, partition, error = message.topic(), message.partition(), message.error()
    try:
        head = batch_head(settings, topic, partition, message.offset())
        client.seek(TopicPartition(topic, partition, head.last + 1))
    except (BrokerError, NoBatch, KafkaException, OSError) as why:
        log.warning("%s[%d]@%d cannot be read, and not yet passed over: %s", topic, partition, message.offset(), why)
        return None
    reason = "" if error is None else error.str()
    detail = (
        f"offsets {head.first} to {head.last}, a batch of {head.wire_bytes} bytes, compression {head.codec}, "
        f"that Kafka's client cannot read: {reason}"
    )
    return UnreadableBatch(topic, partition, head.first, head.last, head.newest_ms, detail)
