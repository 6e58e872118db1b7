"""What a step wants to have sent, in stages: each stage is confirmed by the broker before the next one is sent."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from streams.kafka.confirmed_producer import ConfirmedProducer, Outgoing


class Send(NamedTuple):
    """Records for one topic; a partition of None sends each record to the partition of its key."""

    topic: str
    partition: int | None
    records: Sequence[Outgoing]


Stage = Sequence[Send]


async def deliver(out: ConfirmedProducer, stages: Iterable[Stage]) -> None:
    """Send stage after stage, and return when the broker has confirmed all of them."""
    for stage in stages:
        await put(out, stage)
        await out.confirmed()


async def put(out: ConfirmedProducer, stage: Stage) -> None:
    """Hand a stage to the producer, which sends it with the next `sent()` or `confirmed()`."""
    for send in stage:
        if send.partition is None:
            await out.put_by_key(send.topic, send.records)
        else:
            out.put(send.topic, send.partition, send.records)
