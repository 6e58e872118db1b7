"""What an operator's status is made of, kept current beside the requests."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import msgspec

from schemas.messages.fields import DAY_MS
from schemas.settings.model import Settings
from schemas.topics import DEAD_LETTERS, HANDLED, TOPICS
from streams.api.clock import now_ms
from streams.api.operations.dead_letters import RecentDeadLetters, count_up_to, settle_up_to
from streams.api.operations.latency import Latencies
from streams.api.operations.messages import CatalogueAnswer, StatusAnswer
from streams.api.operations.rates import Rates
from streams.api.slate_store import SlateRecord
from streams.kafka.client import KafkaException
from streams.kafka.log_ends import LogEnds
from streams.kafka.records import Place
from streams.worker.health import Status, statuses

log = logging.getLogger("freshet.api")

INTERVAL_S = 5.0


class OperationsWatch:
    """Asks for the ends of all topics again and again, and counts the dead letters that come."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._log_ends = settings, LogEnds(settings)
        self.latencies, self._rates, self._recent = Latencies(), Rates(), RecentDeadLetters()

    async def run(self) -> None:
        """Keep the figures current, for as long as the process lives; while the broker is away they stay."""
        while True:
            try:
                await self._look()
            except KafkaException as error:
                log.debug("the ends of the topics are not known: %s", error.args[0].str())
            except Exception as error:  # whatever it is: the figures would stand still without a word
                log.error("the figures of /v1/status are not current, trying again", exc_info=error)
            await asyncio.sleep(INTERVAL_S)

    def observer(self, since_ms: int) -> Callable[[Sequence[SlateRecord]], None]:
        """What is to be called with slates as they come; those from before this time say nothing of the present."""

        def observe(records: Sequence[SlateRecord]) -> None:
            for record in records:
                if record.slate and record.written_ms >= since_ms:
                    self.latencies.add(record.written_ms, record.slate.trigger_at_ms)

        return observe

    async def status(self, model: Mapping[str, str], catalogue: CatalogueAnswer) -> StatusAnswer:
        """What is kept current here, with what the catalogue says of itself and the files of this machine's workers."""
        workers = await asyncio.to_thread(statuses, self._settings)
        prefix = self._settings.prefix
        return StatusAnswer(
            workers=[msgspec.to_builtins(one) for one in workers],
            dead_letters=self._recent.by_reason(now_ms()),
            rates={topic.removeprefix(prefix): rate for topic, rate in self._rates.by_topic().items()},
            latency_ms=self.latencies.summary(),
            model={**model, **_quality(workers)},
            catalogue=catalogue,
        )

    async def _look(self) -> None:
        prefix, as_set = self._settings.prefix, self._settings.partitions
        places = [(topic.full(prefix), p) for topic in TOPICS for p in range(topic.partition_count(as_set))]
        ends = await asyncio.to_thread(self._log_ends.ends, places)
        self._rates.add(time.monotonic(), ends)
        of_dead_letters = [place for place in places if place[0] == DEAD_LETTERS.full(prefix)]
        marks = (HANDLED.full(prefix), 0)
        if not self._recent.read:
            since = await asyncio.to_thread(self._log_ends.since, [*of_dead_letters, marks], now_ms() - DAY_MS)
            self._recent.read_marks = since.pop(marks, 0)
            self._recent.read.update(_by_partition(since))
        await count_up_to(
            self._settings, self._recent, _by_partition({place: ends[place] for place in of_dead_letters})
        )
        if marks in ends:
            await settle_up_to(self._settings, self._recent, ends[marks])


def _quality(workers: Iterable[Status]) -> dict[str, dict[str, float]]:
    """How good the newest predictions and slates are, by one worker of each agent that says so.

    It is one that reads: a learner that lost its partition still says its last figures.
    """
    found = sorted((one for one in workers if one.quality), key=lambda one: (bool(one.lag), one.at_ms))
    of_agents = {one.agent: one.quality for one in found}  # the last of each
    return {"quality": {key: value for one in of_agents.values() for key, value in one.items()}} if found else {}


def _by_partition(offsets: dict[Place, int]) -> dict[int, int]:
    return {partition: offset for (_, partition), offset in offsets.items()}


@asynccontextmanager
async def watched(settings: Settings) -> AsyncIterator[OperationsWatch]:
    """The figures of an operator's status, kept current for the time of a `with`."""
    watch = OperationsWatch(settings)
    task = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
