"""The HTTP API without Kafka: slates in memory, a publisher that writes down what it is given."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import MappingProxyType
from typing import Any, TypeVar

import httpx
import msgspec
import numpy as np

from encoders.base import Vectors
from ranker.profile.model import Profile
from schemas.messages.recommendations import SOURCE_OFFSET, Recommendation, Trigger
from schemas.published import examples
from schemas.settings.model import Settings
from schemas.topics import Topic
from streams.api.app import build
from streams.api.catalogue.follower import Question, being_read
from streams.api.catalogue.query_encoder import QueryEncoder
from streams.api.catalogue.state import CatalogueState
from streams.api.clock import now_ms
from streams.api.errors import ProblemError
from streams.api.operations.dead_letters import newest_first, shown
from streams.api.operations.messages import DeadLettersAnswer
from streams.api.operations.watch import OperationsWatch
from streams.api.renewed import RenewedSlates
from streams.api.services import Services
from streams.api.slate_feed import SlateFeed, Waiters
from streams.api.slate_store import SlateRecord, StoredSlate, newest_of
from streams.dead_letters.store import StoredDeadLetter
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.records import Record
from streams.kafka.request_producer import Written
from streams.kafka.topic_watch import TopicIdentity
from tests.support.brokers import CACHE

T = TypeVar("T")

BASE = "http://127.0.0.1:8090"
TOPIC = "freshet.recommendations.v1"


def slate(user_id: str, version: int = 1, *, partition: int = 0, offset: int = 0, **changes: Any) -> bytes:
    """A message of recommendations.v1, made now unless something else is said."""
    made = now_ms()
    times = {"generated_at_ms": made, "expires_at_ms": made + 60_000}
    trigger = Trigger(None, "freshet.feedback.v1", partition, offset, made)
    example: Recommendation = examples.ANSWER
    fields = {**times, "user_id": user_id, "version": version, "trigger": trigger, **changes}
    return msgspec.json.encode(msgspec.structs.replace(example, **fields))


def record(user_id: str, value: bytes | None, offset: int = 0, partition: int = 0, source: int | None = None) -> Record:
    """It as a record of its topic, of the profile at offset `source`."""
    headers = [] if source is None else [(SOURCE_OFFSET, str(source).encode())]
    return Record(TOPIC, partition, offset, now_ms(), user_id.encode(), value, headers)


class MemoryStore:
    """Slates in a dict."""

    def __init__(self) -> None:
        self.rows: dict[bytes, StoredSlate] = {}

    def begin(self, topic: TopicIdentity, ends: Mapping[int, int]) -> dict[int, int]:
        return {}

    def apply(self, partition: int, records: Sequence[SlateRecord], position: int) -> list[str]:
        newest = newest_of(records, lambda key: self.rows[key].version if key in self.rows else 0)
        for key, found in newest.items():
            self.rows.pop(key, None)
            if found is not None:
                self.rows[key] = found
        return [key.decode() for key in newest]

    async def get(self, user_id: str) -> StoredSlate | None:
        return self.rows.get(user_id.encode())

    def close(self) -> None: ...


class KeptPublisher:
    """Keeps what it publishes; refuses where it is told to."""

    def __init__(self) -> None:
        self.published: list[tuple[str, Outgoing]] = []
        self.is_away = False

    async def publish(self, topic: Topic, records: Sequence[Outgoing]) -> list[Written]:
        if self.is_away:
            raise ProblemError(503, "The broker does not answer.")
        self.published += [(topic.name, one) for one in records]
        return [Written(0, len(self.published) - len(records) + at) for at in range(len(records))]


class ColdFor:
    """A slate for whoever has none, once it is given one."""

    message: bytes | None = None

    async def slate(self, user_id: str, now_ms: int) -> bytes | None:
        return self.message


class ProfileRecords(dict[tuple[int, int], Record]):
    """Records of profiles.v1 by partition and offset, and how often one was read."""

    read = 0

    async def at(self, partition: int, offset: int) -> Record | None:
        self.read += 1
        return self.get((partition, offset))


class Ready:
    """Ready, unless a reason is given."""

    why: str | None = None

    def why_not_ready(self) -> str | None:
        return self.why


class HeldCatalogue:
    """A catalogue of made-up videos, asked in the test's own thread."""

    def __init__(self, settings: Settings) -> None:
        self.state, self.is_read = CatalogueState(settings), True

    async def ask(self, question: Question[T]) -> T:
        if not self.is_read:
            raise being_read()
        return await question(self.state)


class WordsAsVectors(QueryEncoder):
    """The vectors that words are said to have."""

    vectors: Mapping[str, Vectors] = MappingProxyType({})

    def _encode(self, words: str) -> Vectors:
        return self.vectors.get(words, np.zeros(384, np.float32))


class KnownProfiles(dict[str, Profile]):
    """Profiles by person."""

    async def newest(self, user_id: str) -> Profile | None:
        return self.get(user_id)


class KeptDeadLetters(list[StoredDeadLetter]):
    """Dead letters in a list."""

    async def newest(self, reason: str | None, limit: int) -> DeadLettersAnswer:
        found = newest_first(self, reason, limit)
        return DeadLettersAnswer([shown(one) for one in found], len(found) == len(self))


class Api:
    """An application that runs in this process, and what is behind it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings = settings.model_copy(update={"cache_dir": CACHE.settings.cache_dir})
        self.store, self.publisher, self.cold, self.ready = MemoryStore(), KeptPublisher(), ColdFor(), Ready()
        self.catalogue, self.profiles, self.dead_letters = HeldCatalogue(settings), KnownProfiles(), KeptDeadLetters()
        self.profile_records = ProfileRecords()
        self.renewed = RenewedSlates(self.catalogue, self.profile_records)
        self.query_encoder, self.operations = WordsAsVectors(settings), OperationsWatch(settings)
        self.waiters = Waiters()
        self.feed = SlateFeed(self.store, self.waiters)
        self.feed.observers.append(self.renewed.observe)
        self.app = build(settings, self._opened)
        self.http: httpx.AsyncClient

    def bring(self, *records: Record) -> None:
        """What the follower's thread does with records."""
        self.feed.apply(records[0].partition, records, records[-1].offset + 1)

    def services(self) -> Services:
        return Services(
            self.settings,
            self.store,
            self.waiters,
            self.publisher,
            self.cold,
            self.renewed,
            self.ready,
            self.catalogue,
            self.query_encoder,
            self.profiles,
            self.operations,
            self.dead_letters,
        )

    def _opened(self, _: Settings) -> AbstractAsyncContextManager[Services]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Services]:
            yield self.services()

        return opened()


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Api]:
    """The application for the time of a `with`, spoken to without a socket."""
    api = Api(settings)
    async with api.app.router.lifespan_context(api.app):
        transport = httpx.ASGITransport(api.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as api.http:
            yield api
