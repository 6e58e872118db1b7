"""The encoding step: uploads and withdrawals to what the catalogue holds of them.

It knows no Kafka and no clock; the encoders and the media loader are handed in. The agent, a replay and the crash
simulation call it.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from encoders.base import Content
from schemas.messages import videos
from schemas.messages.dead_letters import DeadLetter
from schemas.messages.videos import CatalogueRecord, Uploads
from schemas.settings.model import Settings
from schemas.topics import FEATURES, UPLOADS
from streams.dead_letters.validation import read_uploads
from streams.encoding.media_loader import MediaBatch
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.records import Record
from streams.kafka.sends import Send

Valid = Sequence[tuple[Record, Uploads]]
Embed = Callable[[Sequence[Uploads], Sequence[Content | None]], Awaitable[list[CatalogueRecord]]]
LoadMedia = Callable[[Valid], Awaitable[MediaBatch]]
TimesOf = Callable[[str], dict[str, int]]


async def no_media(_: Valid) -> MediaBatch:
    """The media loader of a caller that reads none."""
    return MediaBatch([], [])


@dataclass
class EmbedOutcome:
    """What a batch of uploads came to."""

    dead_letters: list[DeadLetter]
    records: list[CatalogueRecord]
    misrouted: list[Outgoing]  # uploads on the wrong partition: to be sent again by key


class EmbedStep:
    """Embeds uploads, and passes withdrawals on.

    embed     uploads with their contents (empty: none has any) to catalogue records, in order
    load      what a batch of uploads holds beside its texts, with a dead letter for each medium that cannot be used
    times_of  newest event time by video id, where that of a given video is kept; changed in place
    """

    def __init__(self, settings: Settings, embed: Embed, load: LoadMedia, times_of: TimesOf) -> None:
        self._embed, self._load, self._times_of = embed, load, times_of
        self._topic, self._uploads = FEATURES.full(settings.prefix), UPLOADS.full(settings.prefix)

    async def apply(self, records: Sequence[Record], partitions: int) -> EmbedOutcome:
        """Validate, leave out what is outdated, load media, embed.

        partitions  of the uploads topic: only the owner of a video's partition knows which of its uploads is newest
        """
        validated = read_uploads(records, partitions)
        newer = [(record, one) for record, one in validated.valid if self._is_newer(one)]
        media = await self._load(newer)
        embedded = await self._embed([one for _, one in newer], media.contents)
        return EmbedOutcome([*validated.dead_letters, *media.dead_letters], embedded, validated.misrouted)

    def _is_newer(self, one: Uploads) -> bool:
        """Whether it is not older than what is known of its video: of a video only the last record survives."""
        times = self._times_of(one.video_id)
        if one.at_ms < times.get(one.video_id, 0):
            return False
        times[one.video_id] = one.at_ms
        return True

    def sends(self, outcome: EmbedOutcome) -> list[Send]:
        """Catalogue records and uploads that are sent on, each on its video's partition."""
        records = [Outgoing(one.video_id.encode(), videos.encode(one)) for one in outcome.records]
        return [Send(self._topic, None, records), Send(self._uploads, None, outcome.misrouted)]
