"""The media of uploads: frames and sound, fetched side by side and decoded by a few processes."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeGuard

from encoders.base import Content
from encoders.media.sandbox_client import MediaReader
from encoders.media.types import Limits, Media, MediaError
from schemas.messages.dead_letters import DeadLetter
from schemas.messages.videos import Upload, Uploads
from schemas.settings.media_hosts import split
from schemas.settings.model import Settings
from streams.dead_letters.validation import dead_letter
from streams.encoding.daemon_threads import DaemonThreads
from streams.encoding.fetch import FILES, Rules, Wire, fetch
from streams.encoding.local_files import UrlForbidden
from streams.kafka.records import Record

READERS = 2  # processes; each takes a core while it decodes
LARGE_FILES = 2  # of more than LIGHT_BYTES in memory at a time: each has up to `media_bytes`
RETRY_DELAYS_S = (1.0, 4.0)  # before a file is fetched again whose host did not answer
PATIENT_FOR = 2  # files in a row that the decoder hangs on before it gets less time for the next one
MIN_DECODE_S = 2.0  # a usual file takes 0.1 s


class MediaBatch(NamedTuple):
    """The media of a batch: contents in its order, None for one without media, and a dead letter for each fault."""

    contents: list[Content | None]
    dead_letters: list[DeadLetter]


@dataclass(frozen=True, eq=False)
class FetchedMedia:
    """The media of an upload, and the first fault; one does not exclude the other."""

    media: Media
    fault: MediaError | UrlForbidden | None = None


class MediaLoader:
    """Loads the media of uploads.

    A file that cannot be used becomes a dead letter; the video itself is embedded all the same, by its text.
    """

    def __init__(
        self, settings: Settings, wire: Wire | None = None, reader: Callable[[Limits], MediaReader] = MediaReader
    ) -> None:
        self._rules, self._wire = Rules.of(settings), wire or Wire()
        self._large = asyncio.Semaphore(LARGE_FILES)
        self._threads = DaemonThreads(READERS)
        self._hung = 0  # files in a row that the decoder took too long over
        self._idle: asyncio.LifoQueue[MediaReader] = asyncio.LifoQueue()  # the reader that was used last is warm
        for _ in range(READERS):
            self._idle.put_nowait(reader(limits_of(settings)))

    async def load_batch(self, batch: Sequence[tuple[Record, Uploads]]) -> MediaBatch:
        """Contents and dead letters of a batch."""
        found = await asyncio.gather(*(self._load_any(upload) for _, upload in batch))
        contents = [None if one is None else content_in(one.media) for one in found]
        dead_letters = [
            letter
            for (record, _), one in zip(batch, found, strict=True)
            if one is not None and (letter := letter_of(record, one))
        ]
        return MediaBatch(contents, dead_letters)

    async def _load_any(self, upload: Uploads) -> FetchedMedia | None:
        return await self.load(upload) if has_media(upload) else None

    async def load(self, upload: Upload) -> FetchedMedia:
        """The media of one upload; its host is asked three times where it did not answer."""
        found = await fetch_media(upload, self._read)
        for delay_s in RETRY_DELAYS_S:
            if not (isinstance(found.fault, MediaError) and found.fault.passing):
                break
            await asyncio.sleep(delay_s)
            found = await fetch_media(upload, self._read)
        return found

    async def _read(self, uri: str) -> Media:
        async with AsyncExitStack() as large:
            data = await fetch(uri, self._rules, self._wire, lambda: large.enter_async_context(self._large))
            return await self._decoded(data)

    async def _decoded(self, data: bytes) -> Media:
        """Decoding goes on to its end also where a later record has made it needless: till then its reader is taken."""
        decoding = asyncio.ensure_future(self._decode(data))
        decoding.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(decoding)

    async def _decode(self, data: bytes) -> Media:
        reader = await self._idle.get()
        before = reader.last
        try:
            return await self._threads.run(lambda: reader.read(data, decode_limit_s(self._rules.wall_s, self._hung)))
        finally:
            if reader.last is not None and reader.last is not before:
                self._hung = self._hung + 1 if reader.last.hung else 0
            self._idle.put_nowait(reader)


def decode_limit_s(usual_s: float, hung: int) -> float:
    """How long decoding may take after so many files in a row that took too long.

    >>> [decode_limit_s(20.0, hung) for hung in (0, 2, 3, 4, 9)]
    [20.0, 20.0, 10.0, 5.0, 2.0]
    """
    return max(min(MIN_DECODE_S, usual_s), usual_s * 0.5 ** max(0, hung - PATIENT_FOR))


def has_media(upload: Uploads) -> TypeGuard[Upload]:
    """Whether an upload names anything to fetch."""
    return isinstance(upload, Upload) and bool(upload.media_uri or upload.thumbnail_uri)


def host_of(upload: Upload) -> str:
    """Where an upload's first file comes from."""
    read = split(upload.media_uri or upload.thumbnail_uri or "")
    return FILES if read is None else str(read[0])


def letter_of(record: Record, found: FetchedMedia) -> DeadLetter | None:
    """The dead letter of a fault."""
    return None if found.fault is None else dead_letter(record, found.fault.reason, str(found.fault))


def content_in(media: Media) -> Content:
    """What a media file adds to what is known of its video."""
    return Content(frames=media.frames, sound=media.sound, duration_ms=media.duration_ms)


def limits_of(settings: Settings) -> Limits:
    """The limits on a file that the settings name; the others are constants."""
    return Limits(bytes=settings.media_bytes, wall_s=settings.media_s)


async def fetch_media(upload: Upload, read: Callable[[str], Awaitable[Media]]) -> FetchedMedia:
    """An upload's video, and its thumbnail where the video has no picture; `read` fetches and decodes a file."""
    media, fault = Media(), None
    for uri, is_video in ((upload.media_uri, True), (upload.thumbnail_uri, False)):
        if not uri or media.frames is not None:
            continue
        try:
            found = await read(uri)
        except (MediaError, UrlForbidden) as error:
            fault = fault or error
            continue
        media = found if is_video else replace(media, frames=found.frames)
    return FetchedMedia(media, fault)
