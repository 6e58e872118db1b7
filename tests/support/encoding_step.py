"""The encoding step as an agent runs it, with an embedder that keeps titles alone, over media hosts on this machine."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from encoders.base import Content
from schemas.messages import videos
from schemas.messages.dead_letters import Reason
from schemas.messages.videos import CatalogueRecord, Encoded, Upload, Uploads, Withdrawn
from schemas.settings.model import Settings
from streams.encoding.pending_media import PendingMedia
from streams.encoding.step import EmbedOutcome, EmbedStep
from streams.encoding.versions import StoredVersion
from streams.kafka.records import Record
from tests.support.events import NOON, uploaded
from tests.support.sites import HOST, Site

PATIENCE_S = 120  # of a test; nothing is asserted of how long anything takes


def record(offset: int, one: Uploads) -> Record:
    return Record("uploads.v1", 0, offset, NOON, one.video_id.encode(), videos.encode(one))


async def by_title(uploads: Sequence[Uploads], _: Sequence[Content | None]) -> list[CatalogueRecord]:
    return [
        Encoded(video_id=one.video_id, at_ms=one.at_ms, title=one.title)
        if isinstance(one, Upload)
        else Withdrawn(video_id=one.video_id, at_ms=one.at_ms)
        for one in uploads
    ]


@dataclass
class Encoder:
    """The encoding step with an embedder that keeps the title alone, and what it has published."""

    settings: Settings
    media: PendingMedia
    versions: dict[str, StoredVersion] = field(default_factory=dict)
    offset: int = 0
    published: list[EmbedOutcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.step = EmbedStep(self.settings, by_title, self.media, lambda _: self.versions)

    async def apply(self, *uploads: Uploads) -> list[str]:
        """The ids of what is published at once."""
        records = [record(self.offset + at, one) for at, one in enumerate(uploads)]
        self.offset += len(uploads)
        outcome = await self.step.apply(records, partitions=1)
        await self.publish(outcome)
        return [one.video_id for one in outcome.records]

    async def publish(self, outcome: EmbedOutcome, read: int = 0) -> None:
        self.published.append(outcome)

    async def finish(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.media):
                await self.media.wait(1.0)
                await self.publish(await self.step.apply_loaded())

    @property
    def records(self) -> list[CatalogueRecord]:
        return [one for outcome in self.published for one in outcome.records]

    @property
    def reasons(self) -> list[Reason]:
        return [one.reason for outcome in self.published for one in outcome.dead_letters]


def address(at: Site) -> str:
    return f"http://{HOST}:{at.port}"


def with_media(count: int, uri: str) -> list[Upload]:
    return [uploaded(f"media-{at}", title="a title", media_uri=uri) for at in range(count)]
