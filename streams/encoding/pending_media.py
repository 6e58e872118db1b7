"""Uploads whose media are being loaded while the records behind them go on."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from encoders.media.types import Media, MediaError
from schemas.messages.videos import Upload
from streams.encoding.media_loader import FetchedMedia, host_of
from streams.encoding.versions import Accepted
from streams.kafka.records import Record

if TYPE_CHECKING:  # what is no agent reads records too, without Faust, whose import takes 0.3 s
    from faust.types import TP

ACTIVE = 16  # loads at a time, and what was loaded and not taken: each holds up to 3 MB of frames and sound
PER_HOST = 4  # of them, so that a slow host leaves room for the others
MAX_UPLOADS, MAX_BYTES = 2000, 32 * 1024 * 1024  # pending before the agent waits; they are read again after a crash
TAKEN_WITH_MEDIA, TAKEN = 4, 32  # uploads embedded together: 4 with pictures and sound take a second

Load = Callable[[Upload], Awaitable[FetchedMedia]]


@dataclass(frozen=True)
class Pending:
    """An upload and its record."""

    record: Record
    accepted: Accepted
    upload: Upload
    host: str

    @property
    def partition(self) -> "TP":
        from faust.types import TP

        return TP(self.record.topic, self.record.partition)

    @property
    def bytes(self) -> int:
        return len(self.record.value or b"")


@dataclass(frozen=True)
class Loaded:
    """An upload and what its media came to."""

    record: Record
    accepted: Accepted
    found: FetchedMedia


class PendingMedia:
    """Loads media in the background: a few at a time, few of one host, in the order in which they came.

    load  the media of an upload; whatever happens, it ends
    """

    def __init__(self, load: Load) -> None:
        self._load = load
        self._waiting: dict[str, Pending] = {}  # by video id, as the others
        self._running: dict[str, tuple[Pending, asyncio.Task[FetchedMedia]]] = {}
        self._given_up: dict[str, Pending] = {}
        self._bytes = 0
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._running) + len(self._given_up)

    @property
    def is_crowded(self) -> bool:
        """Whether no more should be added."""
        return len(self) > MAX_UPLOADS or self._bytes > MAX_BYTES

    def add(self, record: Record, accepted: Accepted, upload: Upload) -> None:
        """Begin to load an upload's media, or wait until others have been."""
        self.supersede(upload.video_id)
        one = Pending(record, accepted, upload, host_of(upload))
        self._waiting[upload.video_id] = one
        self._bytes += one.bytes
        self._start()

    def supersede(self, video_id: str) -> None:
        """A later record says what becomes of a video: what its media would say is no longer wanted."""
        one = self._waiting.pop(video_id, None) or self._given_up.pop(video_id, None)
        if one is None and video_id in self._running:
            one, task = self._running.pop(video_id)
            task.cancel()
        if one is not None:
            self._bytes -= one.bytes

    def take(self) -> list[Loaded]:
        """What has been loaded, as much of it as can be embedded in a second; nothing is returned twice."""
        taken: list[Loaded] = []
        for one, found in self._finished():
            taken.append(Loaded(one.record, one.accepted, found))
            with_media = sum(two.found.media.frames is not None or two.found.media.sound is not None for two in taken)
            if with_media >= TAKEN_WITH_MEDIA or len(taken) >= TAKEN:
                break
        for two in taken:
            self.supersede(two.accepted.one.video_id)
        self._changed.clear()
        self._start()
        return taken

    def give_up_waiting(self, *, everything: bool) -> None:
        """What no load has begun of is embedded without its media: all of it, or what there is no room for."""
        count, size = len(self), self._bytes
        for video_id, one in [*self._waiting.items()]:
            if everything or count > MAX_UPLOADS or size > MAX_BYTES:
                self._given_up[video_id] = self._waiting.pop(video_id)
                count, size = count - 1, size - one.bytes
        self._changed.set()

    def first_offsets(self) -> dict["TP", int]:
        """The offset of the first pending record of each partition."""
        first: dict[TP, int] = {}
        for one in self._all():
            first[one.partition] = min(one.record.offset, first.get(one.partition, one.record.offset))
        return first

    def drop(self, partitions: Iterable["TP"]) -> None:
        """Forget what came from these partitions: their next owner reads it again."""
        gone = set(partitions)
        for video_id in [one.upload.video_id for one in self._all() if one.partition in gone]:
            self.supersede(video_id)
        self._start()

    async def wait(self, limit_s: float) -> None:
        """Wait until something has been loaded, at most so long."""
        if next(self._finished(), None) is None:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), limit_s)
            except TimeoutError:
                return

    def _all(self) -> Iterator[Pending]:
        yield from self._waiting.values()
        yield from (one for one, _ in self._running.values())
        yield from self._given_up.values()

    def _finished(self) -> Iterator[tuple[Pending, FetchedMedia]]:
        fault = MediaError("too many uploads wait for slow media hosts; send it again when they answer")
        yield from ((one, FetchedMedia(Media(), fault)) for one in self._given_up.values())
        yield from ((one, task.result()) for one, task in self._running.values() if task.done())

    def _start(self) -> None:
        if len(self._running) >= ACTIVE:
            return
        active = Counter(one.host for one, _ in self._running.values())
        for video_id, one in [*self._waiting.items()]:
            if len(self._running) >= ACTIVE:
                return
            if active[one.host] < PER_HOST:
                active[one.host] += 1
                task = asyncio.ensure_future(self._load(one.upload))
                task.add_done_callback(lambda _: self._changed.set())
                self._running[video_id] = self._waiting.pop(video_id), task
