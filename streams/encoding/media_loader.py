"""What a batch of uploads holds beside its texts: pictures and sound, read by a few processes side by side."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from encoders.base import Content
from encoders.media.sandbox_client import MediaReader
from encoders.media.types import Limits, Media, MediaError
from schemas.messages.dead_letters import DeadLetter
from schemas.messages.videos import Upload, Uploads
from schemas.settings.model import Settings
from streams.dead_letters.validation import letter
from streams.encoding.fetch import WIRE, Rules, Wire, fetch
from streams.encoding.local_files import UrlForbidden
from streams.kafka.records import Record

READERS = 2  # processes; each takes a core while it decodes
PAUSES_S = (1.0, 4.0)  # before a medium is asked for again, whose host did not answer


class MediaBatch(NamedTuple):
    """What was found of a batch: contents in its order, None of a withdrawal, and a dead letter for each fault."""

    contents: list[Content | None]
    letters: list[DeadLetter]


@dataclass(frozen=True, eq=False)
class FetchedMedia:
    """What was found of an upload's media, and the first thing that went wrong; one does not exclude the other."""

    media: Media
    fault: MediaError | UrlForbidden | None = None


class MediaLoader:
    """Reads the media of batches of uploads.

    A medium that cannot be used is a dead letter, and no reason to leave the video out: its text is there.
    """

    def __init__(self, settings: Settings) -> None:
        self._rules = Rules.of(settings)
        self._idle: asyncio.LifoQueue[MediaReader] = asyncio.LifoQueue()  # the one used last is warm
        for _ in range(READERS):
            self._idle.put_nowait(MediaReader(limits_of(settings)))

    async def load_batch(self, batch: Sequence[tuple[Record, Uploads]]) -> MediaBatch:
        """Contents and dead letters of a batch."""
        found = await asyncio.gather(*(self._one(upload) for _, upload in batch))
        contents = [None if one is None else content_in(one.media) for one in found]
        letters = [
            letter(record, one.fault.reason, str(one.fault))
            for (record, _), one in zip(batch, found, strict=True)
            if one is not None and one.fault is not None
        ]
        return MediaBatch(contents, letters)

    async def _one(self, upload: Uploads) -> FetchedMedia | None:
        if not isinstance(upload, Upload) or not (upload.media_uri or upload.thumbnail_uri):
            return None
        reader = await self._idle.get()
        try:
            found = await content_of(upload, self._rules, reader.read)
            for pause_s in PAUSES_S:
                if not (isinstance(found.fault, MediaError) and found.fault.passing):
                    break
                await asyncio.sleep(pause_s)
                found = await content_of(upload, self._rules, reader.read)
            return found
        finally:
            self._idle.put_nowait(reader)


def content_in(media: Media) -> Content:
    """What a media file adds to what is known of its video."""
    return Content(frames=media.frames, sound=media.sound, duration_ms=media.duration_ms)


def limits_of(settings: Settings) -> Limits:
    """The limits on a file that the settings name; the others are constants."""
    return Limits(bytes=settings.media_bytes, wall_s=settings.media_s)


async def content_of(upload: Upload, rules: Rules, read: Callable[[bytes], Media], wire: Wire = WIRE) -> FetchedMedia:
    """Read an upload's video, and its thumbnail where the video gives no picture; `read` blocks, in a thread."""
    media, fault = Media(), None
    for uri, whole in ((upload.media_uri, True), (upload.thumbnail_uri, False)):
        if not uri or media.frames is not None:
            continue
        try:
            got = await asyncio.to_thread(read, await fetch(uri, rules, wire))
        except (MediaError, UrlForbidden) as error:
            fault = fault or error
            continue
        media = got if whole else replace(media, frames=got.frames)
    return FetchedMedia(media, fault)
