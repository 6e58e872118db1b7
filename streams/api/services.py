"""What the routes work with: opened when the application starts, closed when it ends, and handed in by tests."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import Depends, Request

from schemas.settings.model import Settings
from schemas.topics import ERASURES, FEEDBACK, RECOMMENDATIONS, UPLOADS, Topic
from streams.api.catalogue.follower import FollowedCatalogue, followed
from streams.api.catalogue.people import ProfileReader, Profiles
from streams.api.catalogue.query_encoder import QueryEncoder
from streams.api.clock import now_ms
from streams.api.cold import ColdSlates
from streams.api.errors import ProblemError
from streams.api.operations.dead_letters import DeadLetterReader, DeadLetters
from streams.api.operations.watch import OperationsWatch, watched
from streams.api.renewed import KafkaProfileLog, RenewedSlates
from streams.api.rocksdb_store import RocksdbStore
from streams.api.slate_feed import SlateFeed, Waiters
from streams.api.slate_store import SlateStore, StoredSlate
from streams.kafka.client import KafkaException
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.request_producer import NotConfirmedError, RequestProducer, Written
from streams.kafka.security import librdkafka_options
from streams.kafka.topic_follower import TopicFollower
from streams.kafka.topic_watch import TopicWatch

SILENT_S = 10.0  # of the broker: then the slates may be old, and the process is not ready
AGAIN = "Send the same again: an event with an event_id counts once."


class Publisher(Protocol):
    """Publishes records by their keys."""

    async def publish(self, topic: Topic, records: Sequence[Outgoing]) -> list[Written]:
        """Where each record is, once all are confirmed; a ProblemError of 503 where one is not."""


class SlatesWithoutHistory(Protocol):
    """Slates for people without a usable one of their own."""

    async def slate(self, user_id: str, now_ms: int) -> bytes | None:
        """A message of recommendations.v1; None where none can be made yet."""


class SlatesRenewed(Protocol):
    """Slates for people whose own has expired."""

    async def slate(self, user_id: str, expired: StoredSlate, now_ms: int) -> StoredSlate | None:
        """A slate of the profile that the expired one was made of; None where none can be made."""


class Readiness(Protocol):
    """Whether the process can answer."""

    def why_not_ready(self) -> str | None:
        """What is missing, in a sentence."""


@dataclass
class Services:
    """What the routes work with, one field for each."""

    settings: Settings
    slates: SlateStore
    waiters: Waiters
    publisher: Publisher
    cold: SlatesWithoutHistory
    renewed: SlatesRenewed
    readiness: Readiness
    catalogue: FollowedCatalogue
    query_encoder: QueryEncoder
    profiles: Profiles
    operations: OperationsWatch
    dead_letters: DeadLetters


class KafkaPublisher:
    """Publishes to the topics of one prefix."""

    def __init__(self, prefix: str, producer: RequestProducer) -> None:
        self._prefix, self._producer = prefix, producer

    async def publish(self, topic: Topic, records: Sequence[Outgoing]) -> list[Written]:
        """Where each record is, once all are confirmed."""
        try:
            return await self._producer.publish(topic.full(self._prefix), records)
        except NotConfirmedError as why:
            raise ProblemError(503, f"{why} {AGAIN}", headers={"Retry-After": "1"}) from None


class FollowerReadiness:
    """Ready once the slates are read to their end, and for as long as the broker answers."""

    def __init__(self, follower: TopicFollower) -> None:
        self._follower = follower

    def why_not_ready(self) -> str | None:
        """What is missing, in a sentence."""
        if not self._follower.caught_up:
            lag = self._follower.lag
            return f"{lag} slates are still to be read." if lag > 0 else "The topic of slates has not been read yet."
        silent_s = time.monotonic() - self._follower.answered_s
        return f"Kafka has not answered for {silent_s:.0f} s." if silent_s > SILENT_S else None


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """What the routes work with, on the broker and the data folder of the settings."""
    watch = TopicWatch(librdkafka_options(settings))
    watch.follow(topic.full(settings.prefix) for topic in (FEEDBACK, UPLOADS, ERASURES, RECOMMENDATIONS))
    with suppress(KafkaException):  # away: then requests that publish are answered 503 until it comes
        await asyncio.to_thread(watch.ask)  # or the first of them would find no topic
    store, waiters = open_store(settings), Waiters()
    feed, producer = SlateFeed(store, waiters), RequestProducer(settings, watch)
    follower = TopicFollower(settings, RECOMMENDATIONS.full(settings.prefix), watch, feed)
    encoder = QueryEncoder(settings)
    watch.start()
    producer.start()
    follower.start()
    try:
        async with followed(settings) as catalogue, watched(settings) as operations:
            renewed = RenewedSlates(catalogue, KafkaProfileLog(settings))
            feed.observers += [operations.observer(now_ms()), renewed.observe]
            yield Services(
                settings,
                store,
                waiters,
                KafkaPublisher(settings.prefix, producer),
                ColdSlates(catalogue, settings.partitions),
                renewed,
                FollowerReadiness(follower),
                catalogue,
                encoder,
                ProfileReader(settings),
                operations,
                DeadLetterReader(settings),
            )
    finally:
        encoder.close()
        follower.stop()
        watch.stop()
        producer.close()
        store.close()


def open_store(settings: Settings) -> SlateStore:
    """Where the settings have the slates kept."""
    if settings.slates_url:
        from streams.api.redis_store import RedisStore  # its client is an extra

        return RedisStore(settings.slates_url, RECOMMENDATIONS.full(settings.prefix))
    return RocksdbStore(settings.data_dir / "api" / f"{settings.prefix or 'no-prefix.'}slates")


async def services_of(request: Request) -> Services:  # async, or FastAPI would ask a thread for it each time
    """The services of the application that answers a request."""
    services: Services = request.app.state.services
    return services


Opened = Annotated[Services, Depends(services_of)]
