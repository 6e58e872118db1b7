"""The peer: profiles by a plain loop over aiokafka, without Faust, recovery, dead letters or trends.

`each` sends a record an event; `newest` sends each person's newest state once a fetch, as Freshet does. Either
way a fetch is committed only after the broker has confirmed all that it caused, with Freshet's client options.
"""

import asyncio
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Literal, get_args

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from ranker.profile import Arrival, Folded, Profile, fold_all, pack
from schemas import events
from schemas.settings import Settings, load
from schemas.topics import FEEDBACK, MAX_RECORD_BYTES, PROFILES
from streams.app import BATCH_BYTES

Sends = Literal["each", "newest"]


async def follow(settings: Settings, sends: Sends) -> None:
    """Fetch, fold, send, commit, until the process is ended."""
    servers = settings.bootstrap.split(",")
    consumer = AIOKafkaConsumer(
        FEEDBACK.full(settings.prefix),
        bootstrap_servers=servers,
        group_id=f"{settings.prefix}bare",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=MAX_RECORD_BYTES,
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=servers,
        acks="all",
        enable_idempotence=True,
        max_batch_size=BATCH_BYTES,
        max_request_size=MAX_RECORD_BYTES,
    )
    async with consumer, producer:
        await _loop(settings, consumer, producer, sends)


async def _loop(settings: Settings, consumer: Any, producer: Any, sends: Sends) -> None:
    changelog = PROFILES.full(settings.prefix)
    profiles: dict[str, Profile] = {}
    while True:
        polled = await consumer.getmany(timeout_ms=1000, max_records=settings.poll_records)
        waiting = []
        for place, records in polled.items():
            folded = fold_all(profiles, _arrivals(records), settings.late_ms)
            profiles.update(folded.changed)
            for user, profile in _states(folded, sends):
                sent = producer.send(changelog, pack(profile), user.encode(), partition=place.partition)
                waiting.append(await sent)
        await asyncio.gather(*waiting)
        if polled:
            await consumer.commit()


def _arrivals(records: Iterable[Any]) -> Iterator[Arrival]:
    return (Arrival(events.decode(one.value), one.topic, one.partition, one.offset) for one in records)


def _states(folded: Folded, sends: Sends) -> Iterable[tuple[str, Profile]]:
    if sends == "newest":
        return folded.changed.items()
    return ((one.arrival.event.user_id, one.profile) for one in folded.accepted)


def main(bootstrap: str, prefix: str, sends: Sends) -> None:
    """Run it with the default settings but for these."""
    settings = load({"bootstrap": bootstrap, "prefix": prefix}, {}, None).settings
    asyncio.run(follow(settings, sends))


if __name__ == "__main__":
    _, address, prefix, how = sys.argv
    main(address, prefix, next(one for one in get_args(Sends) if one == how))
