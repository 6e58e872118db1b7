"""The encoding step: uploads and withdrawals to what the catalogue holds of them.

It knows no Kafka and no clock; the encoders and what loads media are handed in. The agent, a replay and the crash
simulation call it.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from encoders.base import Content
from schemas.messages import videos
from schemas.messages.dead_letters import DeadLetter
from schemas.messages.videos import CatalogueRecord, Uploads
from schemas.settings.model import Settings
from schemas.topics import FEATURES
from streams.dead_letters.validation import read_upload
from streams.encoding.media_loader import content_in, has_media, letter_of
from streams.encoding.pending_media import PendingMedia
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.records import Record
from streams.kafka.sends import Send

Embed = Callable[[Sequence[Uploads], Sequence[Content | None]], Awaitable[list[CatalogueRecord]]]
TimesOf = Callable[[str], dict[str, int]]


@dataclass
class EmbedOutcome:
    """What a batch of uploads came to."""

    dead_letters: list[DeadLetter]
    records: list[CatalogueRecord]


class EmbedStep:
    """Embeds uploads, and passes withdrawals on.

    Uploads without media are embedded at once, the others when their media have been loaded: no upload waits for the
    host of another one.

    embed     uploads with their contents (empty: none has any) to catalogue records, in order
    media     loads media meanwhile; None: no media are read
    times_of  newest event time by video id, where that of a given video is kept; changed in place
    """

    def __init__(self, settings: Settings, embed: Embed, media: PendingMedia | None, times_of: TimesOf) -> None:
        self._embed, self._media, self._times_of = embed, media, times_of
        self._topic = FEATURES.full(settings.prefix)

    async def apply(self, records: Sequence[Record]) -> EmbedOutcome:
        """Validate, leave out what is outdated, begin to load media, embed what has none."""
        read = [(record, read_upload(record)) for record in records]
        letters = [one for _, one in read if isinstance(one, DeadLetter)]
        newer = [(record, one) for record, one in read if not isinstance(one, DeadLetter) and self._is_newer(one)]
        at_once = [one for record, one in newer if not self._has_to_wait(record, one)]
        return EmbedOutcome(letters, await self._embed(at_once, []))

    def _has_to_wait(self, record: Record, one: Uploads) -> bool:
        """Whether an upload's media are loaded first; what is newer makes those of an earlier upload needless."""
        if self._media is None:
            return False
        if has_media(one):
            self._media.add(record, one)
            return True
        self._media.supersede(one.video_id)
        return False

    async def apply_loaded(self) -> EmbedOutcome:
        """Embed a part of the uploads whose media have been loaded since."""
        loaded = self._media.take() if self._media is not None else []
        if not loaded:
            return EmbedOutcome([], [])
        letters = [letter for one in loaded if (letter := letter_of(one.record, one.found))]
        embedded = await self._embed([one.upload for one in loaded], [content_in(one.found.media) for one in loaded])
        return EmbedOutcome(letters, embedded)

    def _is_newer(self, one: Uploads) -> bool:
        """Whether it is not older than what is known of its video: of a video only the last record survives."""
        times = self._times_of(one.video_id)
        if one.at_ms < times.get(one.video_id, 0):
            return False
        times[one.video_id] = one.at_ms
        return True

    def send(self, records: Sequence[CatalogueRecord]) -> Send:
        """Catalogue records, each on its video's partition."""
        return Send(self._topic, None, [Outgoing(one.video_id.encode(), videos.encode(one)) for one in records])
