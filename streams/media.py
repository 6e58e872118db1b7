"""What an upload's video and thumbnail hold: fetched, read, and put together."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from encoders.media.types import Limits, Media, MediaError
from schemas.messages.videos import Upload
from schemas.settings.model import Settings
from streams.fetching import WIRE, Rules, Wire, fetch
from streams.files import UrlForbidden


@dataclass(frozen=True, eq=False)
class Found:
    """What was found of an upload's media, and the first thing that went wrong; one does not exclude the other."""

    media: Media
    fault: MediaError | UrlForbidden | None = None


def limits_of(settings: Settings) -> Limits:
    """The limits on a file that the settings name; the others are constants."""
    return Limits(bytes=settings.media_bytes, wall_s=settings.media_s)


async def content_of(upload: Upload, rules: Rules, read: Callable[[bytes], Media], wire: Wire = WIRE) -> Found:
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
        media = got if whole else replace(media, frames=got.frames, thumbnail=got.thumbnail)
    return Found(media, fault)
