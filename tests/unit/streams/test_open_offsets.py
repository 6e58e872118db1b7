"""Uploads whose media take their time, and workers that die meanwhile: what is committed never passes what is open."""

import asyncio
from collections.abc import Sequence
from random import Random

import pytest
from faust.types import TP

from encoders.media.types import Media
from schemas.messages import videos
from schemas.messages.dead_letters import DeadLetter
from schemas.messages.videos import CatalogueRecord, Upload, Uploads
from schemas.settings.model import Settings
from streams.dead_letters.validation import read_upload
from streams.encoding.media_loader import FetchedMedia
from streams.encoding.pending_media import PendingMedia
from streams.encoding.step import EmbedStep
from streams.encoding.versions import stored_version
from streams.kafka.open_offsets import OpenOffsets
from streams.kafka.poll import Poll
from streams.kafka.records import Record
from tests.support.encoding_step import by_title
from tests.support.events import NOON, uploaded, withdrew

HERE = TP("uploads.v1", 0)


def record(offset: int, one: Uploads) -> Record:
    return Record(*HERE, offset, NOON, one.video_id.encode(), videos.encode(one))


def poll_of(records: Sequence[Record], committed: dict[TP, int]) -> Poll:
    return Poll({HERE: records}, asyncio.Event(), committed.update)


def some(count: int) -> list[Record]:
    return [record(at, uploaded(f"v{at}")) for at in range(count)]


async def test_a_poll_with_an_open_record_is_committed_up_to_it_and_the_rest_once_it_is_done() -> None:
    committed: dict[TP, int] = {}
    offsets = OpenOffsets()
    offsets.done(poll_of(some(5), committed), {HERE: 2})
    assert committed == {HERE: 2}
    offsets.done(poll_of(some(9)[5:], committed), {HERE: 2})
    assert committed == {HERE: 2}
    offsets.settle({HERE: 7})
    assert committed == {HERE: 7}
    offsets.settle({})
    assert committed == {HERE: 9}


async def test_of_a_partition_that_was_given_away_nothing_more_is_committed() -> None:
    committed: dict[TP, int] = {}
    offsets = OpenOffsets()
    offsets.done(poll_of(some(5), committed), {HERE: 2})
    committed.clear()
    offsets.drop({HERE})
    offsets.settle({})
    assert committed == {}


class World:
    """A log of uploads, what is committed of it, and what is on features.v1; loads end when the test says so."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.log = [record(at, one) for at, one in enumerate(self.drawn(60))]
        self.committed: dict[TP, int] = {HERE: 0}
        self.features: list[CatalogueRecord] = []
        self.start()

    def drawn(self, count: int) -> list[Uploads]:
        made: list[Uploads] = []
        for at in range(count):
            name, at_ms = f"v{self.chance.randrange(12)}", NOON + at // 2  # some of the same time
            uri = "v.mp4" if self.chance.random() < 0.5 else None
            more = uploaded(name, at_ms, title=f"title {at}", media_uri=uri)
            made.append(withdrew(name, at_ms) if self.chance.random() < 0.2 else more)
        return made

    def start(self) -> None:
        """A worker that knows what is written: the last record of each video, and its version."""
        self.gates: list[asyncio.Event] = []
        versions = {one.video_id: stored_version(videos.encode(one)) for one in self.features}
        self.media, self.offsets = PendingMedia(self.load), OpenOffsets()
        self.step = EmbedStep(Settings(prefix=""), by_title, self.media, lambda _: versions)
        self.position = self.committed[HERE]

    async def load(self, upload: Upload) -> FetchedMedia:
        gate = asyncio.Event()
        self.gates.append(gate)
        await gate.wait()
        return FetchedMedia(Media())

    async def move(self, draw: float) -> None:
        """A poll, a load that ends, what is loaded published, or a death."""
        await asyncio.sleep(0)  # loads go on
        if draw < 0.4 and self.position < len(self.log):
            records = self.log[self.position : self.position + 1 + self.chance.randrange(5)]
            self.features += (await self.step.apply(records, partitions=1)).records
            self.position += len(records)
            if self.chance.random() < 0.9:
                self.offsets.done(poll_of(records, self.committed), self.media.first_offsets())
            else:
                self.die()  # written, and not committed
        elif draw < 0.7 and self.gates:
            self.gates.pop(self.chance.randrange(len(self.gates))).set()
        elif draw < 0.95:
            self.features += (await self.step.apply_loaded()).records
            self.offsets.settle(self.media.first_offsets())
        else:
            self.die()

    def die(self) -> None:
        self.media.drop({HERE})
        self.start()


def decoded(one: Record) -> Uploads:
    read = read_upload(one)
    assert not isinstance(read, DeadLetter)
    return read


@pytest.mark.parametrize("seed", range(40))
async def test_the_last_word_on_each_video_is_written_whatever_order_media_come_in_and_whenever_a_worker_dies(
    seed: int,
) -> None:
    world = World(seed)
    for _ in range(300):
        await world.move(world.chance.random())
    while world.position < len(world.log) or len(world.media) or world.committed != {HERE: len(world.log)}:
        await world.move(world.chance.random() * 0.95)
    newest = {one.video_id: one for one in map(decoded, world.log)}
    written = {one.video_id: one for one in world.features}
    sent_ms = {name: one.source.get("at_ms", one.at_ms) for name, one in written.items()}
    assert {name: (sent_ms[name], getattr(one, "title", None)) for name, one in written.items()} == {
        name: (one.at_ms, getattr(one, "title", None)) for name, one in newest.items()
    }
