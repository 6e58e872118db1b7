"""Keeps the catalogue of an API process current, in a thread of its own."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

from schemas.settings.model import Settings
from streams.api.catalogue.state import CatalogueState
from streams.api.errors import ProblemError
from streams.errors import OperatorError
from streams.kafka.reader import required_partitions
from streams.kafka.security import librdkafka_options
from streams.kafka.topic_watch import TopicWatch
from streams.ranking.catalogue_replica import CatalogueReplica

T = TypeVar("T")
Question = Callable[[CatalogueState], Awaitable[T]]

log = logging.getLogger("freshet.api")

RETRY_AFTER_S = 5  # what a client is told while the catalogue is being read; a guess
RETRY_INTERVAL_S = 5.0
TIDY_INTERVAL_S = 30.0  # between two looks for rows of videos that are gone
STOP_TIMEOUT_S = 2.0


class FollowedCatalogue(Protocol):
    """Whatever answers questions about the catalogue."""

    @property
    def is_read(self) -> bool:
        """Whether the topics have been read to their ends."""

    async def ask(self, question: Question[T]) -> T:
        """What the question comes to; a ProblemError of 503 while the catalogue is being read."""


class CatalogueFollower:
    """Reads the catalogue's topics from their beginning, without a consumer group, and follows them.

    The state belongs to the thread that follows: questions are put to it there, so that none sees it half changed.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self._state = settings, CatalogueState(settings)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="catalogue", daemon=True)
        self._following: asyncio.Task[None] | None = None
        self._asking = asyncio.Lock()  # a compaction numbers rows again, which no question may be amidst
        self._is_read = threading.Event()

    @property
    def is_read(self) -> bool:
        """Whether the topics have been read to their ends."""
        return self._is_read.is_set()

    async def ask(self, question: Question[T]) -> T:
        """What the question comes to in the thread that follows; a ProblemError of 503 before all is read."""
        if not self.is_read:
            raise being_read()
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._answer(question), self._loop))

    def start(self) -> None:
        """Begin to read, in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Follow no more."""
        self._loop.call_soon_threadsafe(self._cancel)
        self._thread.join(STOP_TIMEOUT_S)

    async def _answer(self, question: Question[T]) -> T:
        async with self._asking:
            return await question(self._state)

    def _cancel(self) -> None:
        if self._following is not None:
            self._following.cancel()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._following = self._loop.create_task(self._follow())
        try:
            self._loop.run_until_complete(self._following)
        except asyncio.CancelledError:
            log.debug("the catalogue is followed no more")

    async def _follow(self) -> None:
        names = [topic.full(self._settings.prefix) for topic in self._state.topics]
        watch = TopicWatch(librdkafka_options(self._settings))
        watch.follow(names)
        watch.start()
        try:
            while True:
                try:
                    await self._read_on(watch, names)
                except OperatorError as error:
                    log.error("the catalogue cannot be followed, trying again: %s", error)
                except Exception as error:  # whatever it is: an API that no longer follows would tell of the past
                    log.error("the catalogue cannot be followed, trying again", exc_info=error)
                await asyncio.sleep(RETRY_INTERVAL_S)
        finally:
            watch.stop()

    async def _read_on(self, watch: TopicWatch, names: list[str]) -> None:
        for name in names:
            await required_partitions(self._settings, name)
        replica = CatalogueReplica(self._settings, self._state, watch)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(replica.run())
            await replica.ready.wait()
            self._state.settle()
            self._is_read.set()
            while True:
                await asyncio.sleep(TIDY_INTERVAL_S)
                async with self._asking:
                    await self._state.shared.give_back()


def being_read() -> ProblemError:
    """The answer while the catalogue is being read."""
    return ProblemError(503, "The catalogue is being read.", headers={"Retry-After": str(RETRY_AFTER_S)})


@asynccontextmanager
async def followed(settings: Settings) -> AsyncIterator[CatalogueFollower]:
    """The catalogue, followed for the time of a `with`; it is read in the background."""
    follower = CatalogueFollower(settings)
    follower.start()
    try:
        yield follower
    finally:
        await asyncio.to_thread(follower.stop)
