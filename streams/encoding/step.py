"""The encoding step: uploads and withdrawals to what the catalogue holds of them.

It knows no Kafka and no clock; the encoders and what loads media are handed in. The agent, a replay and the crash
simulation call it.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import msgspec

from encoders.base import Content
from schemas.messages import videos
from schemas.messages.dead_letters import DeadLetter
from schemas.messages.videos import CatalogueRecord, Uploads, Withdrawn
from schemas.settings.model import Settings
from schemas.topics import FEATURES, UPLOADS
from streams.dead_letters.validation import read_uploads
from streams.encoding.media_loader import content_in, has_media, letter_of
from streams.encoding.pending_media import PendingMedia
from streams.encoding.versions import Accepted, StoredVersion, judge
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.records import Record
from streams.kafka.sends import Send

Embed = Callable[[Sequence[Uploads], Sequence[Content | None]], Awaitable[list[CatalogueRecord]]]
VersionsOf = Callable[[str], dict[str, StoredVersion]]

log = logging.getLogger("freshet.encoding")


@dataclass
class EmbedOutcome:
    """What a batch of uploads came to."""

    dead_letters: list[DeadLetter]
    records: list[CatalogueRecord]
    misrouted: list[Outgoing]  # uploads on the wrong partition: to be sent again by key


class EmbedStep:
    """Embeds uploads, and passes withdrawals on.

    Uploads without media are embedded at once, the others when their media have been loaded: no upload waits for the
    host of another one.

    embed        uploads with their contents (empty: none has any) to catalogue records, in order
    media        loads media meanwhile; None: no media are read
    versions_of  newest version by video id, where that of a given video is kept; changed in place
    """

    def __init__(self, settings: Settings, embed: Embed, media: PendingMedia | None, versions_of: VersionsOf) -> None:
        self._embed, self._media, self._versions_of = embed, media, versions_of
        self._topic, self._uploads = FEATURES.full(settings.prefix), UPLOADS.full(settings.prefix)

    async def apply(self, records: Sequence[Record], partitions: int) -> EmbedOutcome:
        """Validate, leave out what is outdated, begin to load media, embed what has none.

        partitions  of the uploads topic: only the owner of a video's partition knows which of its uploads is newest
        """
        validated = read_uploads(records, partitions)
        outcome = EmbedOutcome([*validated.dead_letters], [], validated.misrouted)
        judged = [(record, self._judge(record, one, outcome)) for record, one in validated.valid]
        accepted = [(record, found) for record, found in judged if found is not None]
        at_once = [found for record, found in accepted if not self._has_to_wait(record, found)]
        outcome.records += await self._embedded(at_once, [])
        return outcome

    async def apply_loaded(self) -> EmbedOutcome:
        """Embed a part of the uploads whose media have been loaded since."""
        loaded = self._media.take() if self._media is not None else []
        letters = [letter for one in loaded if (letter := letter_of(one.record, one.found))]
        contents = [content_in(one.found.media) for one in loaded]
        return EmbedOutcome(letters, await self._embedded([one.accepted for one in loaded], contents), [])

    async def _embedded(
        self, accepted: Sequence[Accepted], contents: Sequence[Content | None]
    ) -> list[CatalogueRecord]:
        if not accepted:
            return []
        embedded = await self._embed([found.one for found in accepted], contents)
        pairs = [*zip(accepted, embedded, strict=True)]
        for found, made in pairs:
            if isinstance(made, Withdrawn):
                self._keep_refused(found)
        return [found.stamped(made) for found, made in pairs]

    def _keep_refused(self, found: Accepted) -> None:
        """What moderation refuses is withdrawn for whatever comes next, as it will be for the next worker."""
        versions = self._versions_of(found.one.video_id)
        if versions.get(found.one.video_id) == found.version:
            versions[found.one.video_id] = msgspec.structs.replace(found.version, is_withdrawal=True)

    def _has_to_wait(self, record: Record, found: Accepted) -> bool:
        """Whether an upload's media are loaded first; what is newer makes those of an earlier upload needless."""
        if self._media is None:
            return False
        if has_media(found.one):
            self._media.add(record, found, found.one)
            return True
        self._media.supersede(found.one.video_id)
        return False

    def _judge(self, record: Record, one: Uploads, outcome: EmbedOutcome) -> Accepted | None:
        """A record that counts; another becomes a dead letter, or is a repeat that a later one has replaced."""
        versions = self._versions_of(one.video_id)
        found = judge(record, one, versions.get(one.video_id))
        if isinstance(found, Accepted):
            versions[one.video_id] = found.version
            return found
        if found is None:
            log.info("%s[%d]@%d was read before: a later record of its video counts", *record[:3])
        else:
            outcome.dead_letters.append(found)
        return None

    def sends(self, outcome: EmbedOutcome) -> list[Send]:
        """Catalogue records and uploads that are sent on, each on its video's partition."""
        records = [Outgoing(one.video_id.encode(), videos.encode(one)) for one in outcome.records]
        return [Send(self._topic, None, records), Send(self._uploads, None, outcome.misrouted)]
