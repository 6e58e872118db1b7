"""The media of a batch of uploads: frames and sound, decoded by a few processes side by side."""

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
from streams.dead_letters.validation import dead_letter
from streams.encoding.fetch import WIRE, Rules, Wire, fetch
from streams.encoding.local_files import UrlForbidden
from streams.kafka.records import Record

READERS = 2  # processes; each takes a core while it decodes
RETRY_DELAYS_S = (1.0, 4.0)  # before a file is fetched again whose host did not answer


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
    """Loads the media of batches of uploads.

    A file that cannot be used becomes a dead letter; the video itself is embedded all the same, by its text.
    """

    def __init__(self, settings: Settings) -> None:
        self._rules = Rules.of(settings)
        self._idle: asyncio.LifoQueue[MediaReader] = asyncio.LifoQueue()  # the reader that was used last is warm
        for _ in range(READERS):
            self._idle.put_nowait(MediaReader(limits_of(settings)))

    async def load_batch(self, batch: Sequence[tuple[Record, Uploads]]) -> MediaBatch:
        """Contents and dead letters of a batch."""
        found = await asyncio.gather(*(self._load(upload) for _, upload in batch))
        contents = [None if one is None else content_in(one.media) for one in found]
        dead_letters = [
            dead_letter(record, one.fault.reason, str(one.fault))
            for (record, _), one in zip(batch, found, strict=True)
            if one is not None and one.fault is not None
        ]
        return MediaBatch(contents, dead_letters)

    async def _load(self, upload: Uploads) -> FetchedMedia | None:
        if not isinstance(upload, Upload) or not (upload.media_uri or upload.thumbnail_uri):
            return None
        reader = await self._idle.get()
        try:
            found = await fetch_media(upload, self._rules, reader.read)
            for delay_s in RETRY_DELAYS_S:
                if not (isinstance(found.fault, MediaError) and found.fault.passing):
                    break
                await asyncio.sleep(delay_s)
                found = await fetch_media(upload, self._rules, reader.read)
            return found
        finally:
            self._idle.put_nowait(reader)


def content_in(media: Media) -> Content:
    """What a media file adds to what is known of its video."""
    return Content(frames=media.frames, sound=media.sound, duration_ms=media.duration_ms)


def limits_of(settings: Settings) -> Limits:
    """The limits on a file that the settings name; the others are constants."""
    return Limits(bytes=settings.media_bytes, wall_s=settings.media_s)


async def fetch_media(upload: Upload, rules: Rules, read: Callable[[bytes], Media], wire: Wire = WIRE) -> FetchedMedia:
    """Fetch and read an upload's video, and its thumbnail where the video has no picture; `read` runs in a thread."""
    media, fault = Media(), None
    for uri, is_video in ((upload.media_uri, True), (upload.thumbnail_uri, False)):
        if not uri or media.frames is not None:
            continue
        try:
            found = await asyncio.to_thread(read, await fetch(uri, rules, wire))
        except (MediaError, UrlForbidden) as error:
            fault = fault or error
            continue
        media = found if is_video else replace(media, frames=found.frames)
    return FetchedMedia(media, fault)
