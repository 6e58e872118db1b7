"""The encoding step: uploads and withdrawals to what the catalogue holds of them.

It knows no Kafka and no clock; the encoders and the media loader are handed in. The agent, a replay and the crash
simulation call it.
"""

import logging
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
from streams.encoding.versions import Accepted, StoredVersion, judge
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.records import Record
from streams.kafka.sends import Send

Valid = Sequence[tuple[Record, Uploads]]
Embed = Callable[[Sequence[Uploads], Sequence[Content | None]], Awaitable[list[CatalogueRecord]]]
LoadMedia = Callable[[Valid], Awaitable[MediaBatch]]
VersionsOf = Callable[[str], dict[str, StoredVersion]]

log = logging.getLogger("freshet.encoding")


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

    embed        uploads with their contents (empty: none has any) to catalogue records, in order
    load         what a batch of uploads holds beside its texts, with a dead letter for each medium that cannot be used
    versions_of  newest version by video id, where that of a given video is kept; changed in place
    """

    def __init__(self, settings: Settings, embed: Embed, load: LoadMedia, versions_of: VersionsOf) -> None:
        self._embed, self._load, self._versions_of = embed, load, versions_of
        self._topic, self._uploads = FEATURES.full(settings.prefix), UPLOADS.full(settings.prefix)
        self.superseded = 0  # records read a second time that a later one of their video had replaced

    async def apply(self, records: Sequence[Record], partitions: int) -> EmbedOutcome:
        """Validate, leave out what is outdated, load media, embed.

        partitions  of the uploads topic: only the owner of a video's partition knows which of its uploads is newest
        """
        validated = read_uploads(records, partitions)
        outcome = EmbedOutcome([*validated.dead_letters], [], validated.misrouted)
        judged = ((record, self._judge(record, one, outcome)) for record, one in validated.valid)
        accepted = [(record, found) for record, found in judged if found is not None]
        uploads = [(record, found.one) for record, found in accepted]
        media = await self._load(uploads)
        embedded = await self._embed([one for _, one in uploads], media.contents)
        outcome.dead_letters += media.dead_letters
        outcome.records += [found.stamped(made) for (_, found), made in zip(accepted, embedded, strict=True)]
        return outcome

    def _judge(self, record: Record, one: Uploads, outcome: EmbedOutcome) -> Accepted | None:
        """A record that counts; another becomes a dead letter, or is a repeat that a later one has replaced."""
        versions = self._versions_of(one.video_id)
        found = judge(record, one, versions.get(one.video_id))
        if isinstance(found, Accepted):
            versions[one.video_id] = found.version
            return found
        if found is None:
            self.superseded += 1
            log.info("%s[%d]@%d was read before: a later record of its video counts", *record[:3])
        else:
            outcome.dead_letters.append(found)
        return None

    def sends(self, outcome: EmbedOutcome) -> list[Send]:
        """Catalogue records and uploads that are sent on, each on its video's partition."""
        records = [Outgoing(one.video_id.encode(), videos.encode(one)) for one in outcome.records]
        return [Send(self._topic, None, records), Send(self._uploads, None, outcome.misrouted)]
