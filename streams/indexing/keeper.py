"""Keeps a collection complete: where reading begins is what the collection itself says that it has.

So a collection that was lost, put back from an older copy, or filled by `freshet rebuild`, is read on for where it is.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TypeVar

import msgspec
from faust.types import TP

from ranker.retrieval.index import IndexUnavailable
from schemas.settings.model import Settings
from schemas.topics import FEATURES
from streams.kafka.app import BatchApp
from streams.kafka.positions import Kept
from streams.kafka.reader import end_offsets
from streams.kafka.rebalance import on_assigned
from streams.qdrant.index import QdrantIndex
from streams.qdrant.mapping import Change, alias_of
from streams.qdrant.progress import Progress, is_complete, share

T = TypeVar("T")

log = logging.getLogger("freshet.indexing")

RETRY_DELAY_S = 2.0  # before an index that did not answer is asked again
LOOK_INTERVAL_S = 2.0  # between two looks at whether the collection is still the one that was written
LOOK_LIMIT_S = 2.0  # nothing is fetched meanwhile
PROGRESS_INTERVAL_S = 5.0
STOP_CHECK_S = 0.5  # a call to a silent server takes much longer than a worker has to stop


class IndexKeeper:
    """Writes to an index for as long as it takes, and keeps in it how far it has come.

    A line says when the index goes, and one when it is back; `freshet health` shows what the worker waits for.
    """

    def __init__(self, app: BatchApp, settings: Settings, index: QdrantIndex) -> None:
        self._app, self._settings, self._index = app, settings, index
        self._topic = FEATURES.full(settings.prefix)
        self._generation = ""  # of the collection that is written
        self._noted: dict[int, Progress] = {}  # by owned partition
        self._known: Collection[int] = ()  # partitions of which the collection said something when it was opened
        self._mark = ""  # what it has to say of them still when something is noted
        self._is_doubtful = False  # what it was that did not answer is asked before anything else
        self.is_another = False  # the collection is not the one that reading began for
        self._was_behind = self._was_complete = False
        self._named = ""  # generation that the alias names
        self._trouble = ""
        self._looked_s = self._told_s = 0.0
        app.transport.kept_offsets = self._kept
        app.transport.between_polls.append(self.look)
        on_assigned(app, self._on_assigned)

    @property
    def is_up(self) -> bool:
        """Whether the index answered when it was asked last."""
        return not self._trouble

    @property
    def is_complete(self) -> bool | None:
        """Whether the collection was complete when it was looked at last; None where others write it."""
        return self._was_complete if self._noted else None

    async def begin(self) -> bool:
        """Before the changes of a poll: a copy of the collection from before has another mark. False as below."""
        known, mark = self._mark, uuid.uuid4().hex
        return await self._patiently(lambda: self._marking(mark, known), False)

    async def write(self, changes: Sequence[Change]) -> bool:
        """Return when the server has applied them; False where the collection is another one, or the worker stops."""
        return await self._patiently(lambda: self._written(changes), False)

    async def note(self, offsets: Mapping[TP, int]) -> bool:
        """Keep in the collection that everything before these offsets is in; False as above.

        Where an older copy was put in its place since `begin`, nothing is kept, and `look` finds it behind.
        """
        return await self._patiently(lambda: self._note(offsets), False)

    async def look(self) -> None:
        """Between two polls: begin again where the collection lost what it had; name it once it is complete."""
        if not self._noted or (not self.is_another and time.monotonic() - self._looked_s < LOOK_INTERVAL_S):
            return
        try:
            async with asyncio.timeout(LOOK_LIMIT_S):
                has_lost = self.is_another or await self._has_lost()
        except (IndexUnavailable, TimeoutError) as error:
            self._is_doubtful = True
            log.debug("the index was not looked at: %s", error)
            return
        finally:
            self._looked_s = time.monotonic()
        if has_lost:
            self._noted = {}
            await self._app.consumer.begin_again("the index is another one, or has lost what it had")

    async def _kept(self, tps: Collection[TP]) -> Kept:
        nothing: dict[int, Progress] = {}
        found = await self._patiently(lambda: self._opened([tp.partition for tp in tps]), nothing)
        return {TP(self._topic, partition): (one.reached, one.topic_id) for partition, one in found.items()}

    async def _opened(self, partitions: Sequence[int]) -> dict[int, Progress]:
        self._generation = await self._index.start()
        self.is_another = self._is_doubtful = self._was_behind = self._was_complete = False
        collection, self._mark = self._index.collection, uuid.uuid4().hex
        await collection.mark(self._generation, partitions, self._mark)
        found = await collection.progress(self._generation, partitions)
        self._known = found
        return found

    async def _on_assigned(self, assigned: set[TP]) -> None:
        """Note where reading begins and where it has to come to: also of partitions that hold nothing."""
        owned = sorted(tp.partition for tp in assigned if tp.topic == self._topic)
        ends = await end_offsets(self._settings, self._topic, owned)
        positions, count = self._app.consumer.positions, self._settings.partitions
        label = positions.label(self._topic)
        noted = {p: Progress(p, count, positions.at(TP(self._topic, p)), ends[p], label) for p in owned}
        await self._patiently(lambda: self._noting_first(noted), False)
        self._noted = noted

    async def _written(self, changes: Sequence[Change]) -> bool:
        return await self._in_the_same(lambda: self._index.write(changes))

    async def _in_the_same(self, action: Callable[[], Awaitable[object]]) -> bool:
        """Do it, but only in the collection that reading began for: False where that is gone."""
        if self._is_doubtful and not await self._is_the_same():
            return False
        try:
            await action()
        except IndexUnavailable:
            self._is_doubtful = True
            raise
        return True

    async def _is_the_same(self) -> bool:
        """Open it again: where it is gone, it is made again, which is another generation."""
        self.is_another = await self._index.start() != self._generation
        self._is_doubtful = False
        return not self.is_another

    async def _note(self, offsets: Mapping[TP, int]) -> bool:
        known = {tp.partition: offset for tp, offset in offsets.items() if tp.partition in self._noted}
        return await self._noting({p: msgspec.structs.replace(self._noted[p], reached=at) for p, at in known.items()})

    async def _noting(self, noted: Mapping[int, Progress]) -> bool:
        noting = self._index.collection.note_where
        is_done = await self._in_the_same(lambda: noting(self._generation, noted.values(), self._mark))
        if is_done:
            self._noted.update(noted)
        return is_done

    async def _noting_first(self, noted: Mapping[int, Progress]) -> bool:
        """Partitions that were not known are read from their beginning: to say so of them is true of any copy."""
        new = [one for p, one in noted.items() if p not in self._known]
        noting = self._index.collection.note
        is_done = await self._in_the_same(lambda: noting(self._generation, new, self._mark))
        return is_done and await self._noting({p: one for p, one in noted.items() if p in self._known})

    async def _marking(self, mark: str, known: str) -> bool:
        marking = self._index.collection.mark
        if await self._in_the_same(lambda: marking(self._generation, [*self._noted], mark, known)):
            self._mark = mark
            return True
        return False

    async def _has_lost(self) -> bool:
        collection, count = self._index.collection, self._settings.partitions
        if await collection.look() != self._generation:
            return True
        stored = await collection.progress(self._generation, range(count))
        is_behind = any(
            p not in stored or stored[p].topic_id != one.topic_id or stored[p].reached < one.reached
            for p, one in self._noted.items()
        )
        has_lost, self._was_behind = is_behind and self._was_behind, is_behind  # a copy of the server may be late once
        if not is_behind:
            await self._note_what_holds_no_record()
            await self._report_progress(stored)
        return has_lost

    async def _note_what_holds_no_record(self) -> None:
        """Markers of transactions end some partitions: they are passed, and no poll says so."""
        done_up_to = self._app.consumer.positions.done_up_to
        at = {TP(self._topic, p): done_up_to(TP(self._topic, p)) for p in self._noted}
        await self._note({tp: offset for tp, offset in at.items() if offset > self._noted[tp.partition].reached})

    async def _report_progress(self, stored: Mapping[int, Progress]) -> None:
        count = self._settings.partitions
        self._was_complete = is_complete(stored, count)
        if self._was_complete:
            if self._named != self._generation and await self._index.count():
                await self._index.collection.take_alias(alias_of(self._settings))
                self._named = self._generation
                log.info("the index is complete")
        elif time.monotonic() - self._told_s > PROGRESS_INTERVAL_S:
            self._told_s = time.monotonic()
            log.info("filling the index: %s", share(stored, count))

    async def _patiently(self, action: Callable[[], Awaitable[T]], otherwise: T) -> T:
        """Try until the index answers, or the worker stops."""
        with self._app.transport.waits.waiting("the index"):
            while not self._app.should_stop:
                doing = asyncio.ensure_future(action())
                try:
                    while not doing.done() and not self._app.should_stop:
                        await asyncio.wait([doing], timeout=STOP_CHECK_S)
                    if not doing.done():
                        break
                    found = await doing
                except IndexUnavailable as error:
                    self._report(str(error))
                    await asyncio.sleep(RETRY_DELAY_S)
                else:
                    self._report("")
                    return found
                finally:
                    doing.cancel()
        return otherwise

    def _report(self, trouble: str) -> None:
        """One line when it goes, however often it is met, and one when it is back."""
        if trouble and not self._trouble:
            log.warning("videos wait for the index: %s", trouble)
        if self._trouble and not trouble:
            log.info("the index takes videos again")
        self._trouble = trouble
