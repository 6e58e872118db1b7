"""The part of the consumer that knows where to read: at the start, and when the topics are other ones than before."""

import asyncio
import logging
import time
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from faust.types import TP

from streams.kafka.positions import Positions
from streams.kafka.records import Record
from streams.kafka.rights import once_allowed
from streams.kafka.tableless import TablelessConsumer
from streams.kafka.topic_watch import INTERVAL_S, made_again

log = logging.getLogger("freshet.consumer")

OTHERS_FIND_OUT_S = 2 * INTERVAL_S  # that a topic was made again
LOOK_AFTER_S = 0.1  # without a record of a topic: long enough for it to have been made again, so its id is asked


class LastHeard:
    """When records of each topic came last."""

    def __init__(self) -> None:
        self._at_s: dict[str, float] = {}

    def gap_s(self, topics: Iterable[str], now_s: float, asked_s: float) -> float:
        """The longest time since one of these topics was known to be what it was, before records of them came now.

        asked_s  when the broker named the topics last

        >>> heard = LastHeard()
        >>> heard.gap_s(["a"], 10.0, 9.0), heard.gap_s(["b"], 12.0, 9.0), heard.gap_s(["a", "b"], 12.5, 9.0)
        (1.0, 3.0, 2.5)
        """
        topics = set(topics)
        gap_s = max(now_s - max(self._at_s.get(topic, asked_s), asked_s) for topic in topics)
        self._at_s.update(dict.fromkeys(topics, now_s))
        return gap_s


class RepositioningConsumer(TablelessConsumer):
    """Begins where the committed offsets mean what they say, and gives its partitions back where they no longer do."""

    _client: Any
    _topics: list[str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        transport: Any = self.transport
        self.positions = Positions(transport.watch, transport.depends_on, transport.kept_offsets)
        self._heard = LastHeard()
        self._watch, self._waits, self._on_made_again = transport.watch, transport.waits, transport.on_made_again

    async def _begin(self, tps: set[TP]) -> None:
        """Seek to where these partitions have to be read on; they stay paused."""
        with self._waits.waiting("the broker to name offsets"):
            starts = await once_allowed(self._waits, lambda: self.positions.begin(self._client, tps))
        for tp in tps:
            self._committed_offset.pop(tp, None)  # Faust commits nothing that is lower
        if starts:
            self._client.assign(starts)
            self._client.pause(starts)

    async def _is_of_former_topics(self, found: Mapping[TP, Sequence[Record]]) -> bool:
        """Whether a fetch is of no use, as a partition begins again: its log was cut, or is another one."""
        if found and await self._is_made_again_meanwhile({topic for topic, _ in found}):
            return True
        back = [tp for tp, records in found.items() if self.positions.goes_back(tp, records[0].offset)]
        if not back:
            return False
        log.warning("%s: begins again before what is done", ", ".join(f"{topic}[{p}]" for topic, p in back))
        await self.positions.look()
        if not await self._leave_former_topics():
            await self._join_again()
        return True

    async def _is_made_again_meanwhile(self, topics: set[str]) -> bool:
        if self._heard.gap_s(topics, time.monotonic(), self._watch.asked_s) >= LOOK_AFTER_S:
            with self._waits.waiting("the broker to name the topics"):
                await self.positions.look()
        return await self._leave_former_topics()

    async def _leave_former_topics(self) -> bool:
        """Give all partitions back, and join again, where a topic was made again: offsets mean something else now."""
        if not (again := made_again(self.positions.topics, self._watch.current)):
            return False
        log.warning("deleted and made again: %s; joining the group again", ", ".join(again))
        if any([await handler(again) for handler in self._on_made_again]):
            await asyncio.sleep(OTHERS_FIND_OUT_S)  # partitions move, and what they hold only their owners can publish
        await self._join_again()
        return True

    async def begin_again(self, why: str) -> None:
        """Give all partitions back, and join again, where what keeps the offsets has changed; between two polls."""
        log.warning("%s; joining the group again", why)
        await self._join_again()

    @abstractmethod
    async def _join_again(self) -> None:
        """Commit what is done and begin where the next assignment says."""

    @abstractmethod
    async def _give_back(self) -> None:
        """Have all partitions revoked."""

    def lag(self) -> dict[str, int]:
        """Records that may be read and are not done, by topic[partition]."""
        return self.positions.lag()
