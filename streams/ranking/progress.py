"""What was answered already: the tail of the recommendations topic says up to which changelog offset."""

import logging
from collections.abc import Iterable

import msgspec
from faust.types import TP

from schemas.settings.model import Settings
from schemas.topics import PROFILES, RECOMMENDATIONS
from streams.kafka.app import BatchApp
from streams.kafka.confirmed_producer import ConfirmedProducer
from streams.kafka.owned_state import outdated_last
from streams.kafka.reader import end_offsets, read_between, read_to_end
from streams.kafka.rebalance import on_assigned
from streams.kafka.records import Record
from streams.ranking.slates import source_offset_of

log = logging.getLogger("freshet.answered")

BACK = 2000  # records of the tail that are looked at: what is answered, and what a worker that woke up has covered


class _Version(msgspec.Struct):
    """All that is read of a slate to tell which of two is newer."""

    version: int


_decode_version = msgspec.json.Decoder(_Version).decode


class RankedOffsets:
    """Newest answered offset of the profiles changelog, per partition."""

    def __init__(self, app: BatchApp, settings: Settings, out: ConfirmedProducer) -> None:
        self._settings = settings
        self._out = out
        self._source = PROFILES.full(settings.prefix)
        self._topic = RECOMMENDATIONS.full(settings.prefix)
        self._upto: dict[int, int] = {}
        self._app = app
        self.topic_id = ""  # of the profiles changelog, whose offsets these are
        on_assigned(app, self._on_assigned)

    def covers(self, record: Record) -> bool:
        """Whether a slate that took this profile, or a newer one of its partition, into account is out."""
        return record.offset <= self._upto.get(record.partition, -1)

    async def _on_assigned(self, assigned: set[TP]) -> None:
        owned = sorted(tp.partition for tp in assigned if tp.topic == self._source)
        self._upto, source = {}, self._app.consumer.positions.topics.get(self._source)
        self.topic_id = source.id if source else ""
        log.info("answering %d partitions of %s", len(owned), self._source)
        tails: dict[int, list[Record]] = {partition: [] for partition in owned}
        async for batch in read_to_end(self._settings, self._topic, owned, back=BACK):
            for record in batch:
                tails[record.partition].append(record)
                answered = source_offset_of(record, self.topic_id)
                self._upto[record.partition] = max(answered, self._upto.get(record.partition, -1))
        self._out.expect_single_writer(self._topic, await end_offsets(self._settings, self._topic, owned), self._repair)
        ends = await end_offsets(self._settings, self._source, owned)
        for partition, offset in list(self._upto.items()):
            if offset >= ends[partition]:
                log.warning(
                    "%s[%d] ends before what is answered: everything in it is answered again", self._source, partition
                )
                del self._upto[partition]
        for partition, tail in tails.items():
            await self._put_newest_last(partition, tail)

    async def _repair(self, partition: int, start: int, end: int) -> None:
        """Another worker's slates lie among ours: where one is older than what the person had, put the newer again."""
        log.warning("%s[%d]: another worker wrote between %d and %d", self._topic, partition, start, end)
        records = await read_between(self._settings, self._topic, partition, max(0, start - BACK), end)
        people = {record.key for record in records if record.offset >= start}
        await self._put_newest_last(partition, [record for record in records if record.key in people])

    async def _put_newest_last(self, partition: int, records: Iterable[Record]) -> None:
        if again := outdated_last(records, _version_of):
            log.warning("%s[%d]: %d slates put again: an older one stood last", self._topic, partition, len(again))
            self._out.put(self._topic, partition, again)
            await self._out.confirmed()


def _version_of(slate: bytes) -> int:
    return _decode_version(slate).version
