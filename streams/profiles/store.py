"""What the profiles agent owns, kept in compacted topics: profiles and erasure markers, recovered with a partition."""

import logging
from collections.abc import Iterable, Mapping, Sequence

from faust.types import TP

from ranker.profile.codec import ProfileError, looks_like_ours, order_of, unpack, version_of
from ranker.profile.erasure import coder, is_after_erasure
from ranker.profile.event_ids import EventIds, Page, decode_page, user_of
from schemas.messages.erasures import ErasureMarker, decode_marker, encode
from schemas.settings.model import Settings
from schemas.topics import ERASED, EVENT_IDS, FEEDBACK, PROFILES
from streams.kafka.app import BatchApp
from streams.kafka.confirmed_producer import ConfirmedProducer, Outgoing
from streams.kafka.owned_state import OwnedState, text_of
from streams.kafka.reader import end_offsets
from streams.kafka.rebalance import on_assigned
from streams.kafka.records import Message
from streams.profiles.feedback_topic import cut_back, topic_ids, unnamed_topics
from streams.profiles.state import PackedProfiles, PartitionState, recovered_event_ids, version_or_zero
from streams.profiles.trends import OwnedTrends
from streams.profiles.unconfirmed import UnconfirmedExamples

log = logging.getLogger("freshet.profiles")


class ErasureMarkers(OwnedState[ErasureMarker]):
    """Markers of the owned partitions, by the keyed hash of a person's id; recovered before the profiles."""

    def __init__(self, app: BatchApp, settings: Settings, out: ConfirmedProducer) -> None:
        source, changelog = FEEDBACK.full(settings.prefix), ERASED.full(settings.prefix)
        super().__init__(app, settings, source, changelog, decode_marker, _marker_order, out)
        self._code = coder(settings.erasure_key.get_secret_value())

    def _outgoing(self, partition: int) -> Iterable[Outgoing]:
        return [Outgoing(code.encode(), encode(marker)) for code, marker in self[partition].items()]

    def of_person(self, partition: int, user_id: str) -> ErasureMarker | None:
        """A person's marker, or None for who was never erased."""
        markers = self[partition]
        return markers.get(self._code(user_id)) if markers else None

    def outlived(self, partition: int, packed: Mapping[str, bytes]) -> list[str]:
        """The people whose stored profile is from before their last erasure."""
        if not self[partition]:
            return []
        versions = ((user_id, version_or_zero(data)) for user_id, data in packed.items())
        return [user for user, version in versions if not is_after_erasure(self.of_person(partition, user), version)]


class OwnedEventIds(OwnedState[Page]):
    """The event ids that do not fit into the owned profiles; recovered after these, which say what of them counts."""

    def __init__(self, app: BatchApp, settings: Settings, out: ConfirmedProducer, markers: ErasureMarkers) -> None:
        source, changelog = FEEDBACK.full(settings.prefix), EVENT_IDS.full(settings.prefix)
        super().__init__(app, settings, source, changelog, decode_page, _page_order, out)
        self._markers, self._late_ms = markers, settings.late_ms
        self.by_person: dict[int, dict[str, EventIds]] = {}

    async def _on_revoked(self, revoked: set[TP]) -> None:
        await super()._on_revoked(revoked)
        for tp in revoked:
            if tp.topic == self._source:
                self.by_person.pop(tp.partition, None)

    async def recover(self, partitions: set[int]) -> None:
        """Read the pages of these partitions; `settle` puts them together."""
        self.by_person = {}
        await super().recover(partitions)

    async def settle(self, partition: int, packed: Mapping[str, bytes]) -> None:
        """Put the pages of each person together; the profiles say what of them counts."""
        self.by_person[partition], gone = recovered_event_ids(
            self[partition],
            lambda user_id: version_or_zero(packed[user_id]) if user_id in packed else 0,
            lambda user_id, version: is_after_erasure(self._markers.of_person(partition, user_id), version),
            self._late_ms,
        )
        self[partition].clear()
        await self._write_tombstones(partition, gone)

    async def _republish(self, partition: int, keys: Iterable[str]) -> None:
        wanted = set(keys)
        await super()._republish(partition, wanted)
        theirs = {key: self._markers.of_person(partition, user_of(key)) for key in wanted}
        erased = [key for key, marker in theirs.items() if not is_after_erasure(marker, int(key.rpartition("\0")[2]))]
        await self._write_tombstones(partition, erased)

    async def _write_tombstones(self, partition: int, keys: Sequence[str]) -> None:
        if keys:
            self._out.put(self.changelog, partition, [Outgoing(key.encode(), None) for key in keys])
            await self._out.confirmed()


class ProfileStore(OwnedState[bytes]):
    """Owned profiles; their changelog is what the ranking agent reads."""

    def __init__(self, app: BatchApp, settings: Settings, out: ConfirmedProducer) -> None:
        source, changelog = FEEDBACK.full(settings.prefix), PROFILES.full(settings.prefix)
        super().__init__(app, settings, source, changelog, _sound, order_of, out)
        self.markers = ErasureMarkers(app, settings, out)
        self.event_ids = OwnedEventIds(app, settings, out, self.markers)
        self.unconfirmed: dict[int, UnconfirmedExamples] = {}
        self._since: Mapping[int, int] = {}

    async def recover_since(self, places: Mapping[int, int]) -> None:
        """Read these partitions back, with the examples from these places on that may not be confirmed."""
        self._since, self.unconfirmed = places, {partition: UnconfirmedExamples() for partition in places}
        await self.recover({*places})

    def _take(self, values: dict[int, dict[str, bytes]], outdated: dict[int, set[str]], batch: list[Message]) -> None:
        super()._take(values, outdated, batch)
        for message in batch:
            self._note(message)

    def _note(self, message: Message) -> None:
        try:
            if headers := message.headers():
                partition, user_id = message.partition(), text_of(message.key())
                self.unconfirmed[partition].note(user_id, headers, self._since[partition])
        except (SystemError, ValueError, RecursionError) as error:  # the first: of a name that is not UTF-8
            place = f"{self.changelog}[{message.partition()}]@{message.offset()}"
            log.error("%s: examples beside a profile are damaged: %s", place, error)

    def _replaces(self, value: bytes, known: bytes) -> bool:
        """A cut profile has its whole one's version: of two that differ the later counts if it can be opened."""
        return value == known or _opens(value)

    def _outgoing(self, partition: int) -> Iterable[Outgoing]:
        return [Outgoing(user_id.encode(), data) for user_id, data in self[partition].items()]

    def _whole(self, data: bytes) -> bytes:
        unpack(data)
        return data

    async def recover(self, partitions: set[int]) -> None:
        """Read the markers and the profiles back; a profile from before its person's erasure is dropped."""
        await self.markers.recover(partitions)
        await super().recover(partitions)
        for partition in sorted(partitions):
            await self._write_tombstones(partition, self.markers.outlived(partition, self[partition]))
        await self.event_ids.recover(partitions)
        for partition in sorted(partitions):
            await self.event_ids.settle(partition, self[partition])

    async def _republish(self, partition: int, keys: Iterable[str]) -> None:
        wanted = set(keys)
        await super()._republish(partition, wanted)
        gone = (user_id for user_id in wanted if user_id not in self[partition])
        await self._write_tombstones(partition, [one for one in gone if self.markers.of_person(partition, one)])

    async def cut_back(self, partition: int, end: int) -> None:
        """Let go of applied offsets that the partition's log no longer reaches, so that what follows there counts."""
        changed = cut_back(self[partition], partition, end)
        log.warning("partition %d of feedback was cut at %d: %d profiles were beyond", partition, end, len(changed))
        self[partition].update(changed)
        self._out.put(self.changelog, partition, [Outgoing(key.encode(), data) for key, data in changed.items()])
        await self._out.confirmed()

    async def _write_tombstones(self, partition: int, people: Iterable[str]) -> None:
        """Write the tombstones again of erased people of whom a worker that was cut off wrote late."""
        if not (people := sorted(people)):
            return
        log.warning("%s[%d]: %d profiles from before an erasure are dropped", self.changelog, partition, len(people))
        for user_id in people:
            self[partition].pop(user_id, None)
        self._out.put(self.changelog, partition, [Outgoing(user_id.encode(), None) for user_id in people])
        await self._out.confirmed()


class OwnedPartitions:
    """The state of each owned partition as the step takes it, put together from where it is kept."""

    def __init__(self, app: BatchApp, settings: Settings, out: ConfirmedProducer) -> None:
        self._profiles, self._trends = ProfileStore(app, settings, out), OwnedTrends(app, settings, out)
        self._app, self._settings, self._feedback = app, settings, FEEDBACK.full(settings.prefix)
        on_assigned(app, self._on_assigned)

    async def _on_assigned(self, assigned: set[TP]) -> None:
        owned = {tp.partition for tp in assigned if tp.topic == self._feedback}
        await self._trends.recover(owned)
        await self._profiles.recover_since({partition: self._place(partition) for partition in owned})
        for partition in sorted(owned):
            await self._name_topic(partition)
            if (end := self._app.consumer.positions.cut.get(TP(self._feedback, partition))) is not None:
                await self._profiles.cut_back(partition, self._trends[partition].base + end)

    def _place(self, partition: int) -> int:
        """The place of the next event: what lies before it is confirmed."""
        done = self._app.consumer.positions.done_up_to(TP(self._feedback, partition))
        return self._trends[partition].base + done

    async def _name_topic(self, partition: int) -> None:
        """See to it that the topic of the offsets that come now is known, before a profile holds one of them."""
        counts, packed = self._trends[partition], self._profiles[partition]
        known, named = counts.topic_ids, self._app.consumer.positions.topics.get(self._feedback)
        if not known and packed:
            ends = await end_offsets(self._settings, self._feedback, [partition])
            known = unnamed_topics(packed, partition, ends[partition])
        counts.topic_ids = topic_ids(known, named.id if named else "")
        if counts.topic_ids != known:
            if known:
                log.warning("%s[%d] is another topic than before: its offsets begin again", self._feedback, partition)
            await self._trends.publish(partition)

    def __getitem__(self, partition: int) -> PartitionState:
        store = self._profiles
        packed, markers, event_ids = store[partition], store.markers[partition], store.event_ids.by_person[partition]
        next_offset = self._app.consumer.positions.done_up_to(TP(self._feedback, partition))
        return PartitionState(
            PackedProfiles(packed),
            markers,
            self._trends[partition],
            event_ids,
            next_offset,
            store.unconfirmed[partition],
        )


def _marker_order(marker: ErasureMarker) -> int:
    """Of two markers the later counts, and of two of one time the one of the higher version."""
    return marker.at_ms << 64 | marker.version


def _page_order(page: Page) -> int:
    return page.version


def _sound(data: bytes) -> bytes:
    if not looks_like_ours(data):
        version_of(data)  # says what it is; what only looks sound is found when it is opened
    return data


def _opens(data: bytes) -> bool:
    try:
        unpack(data)
    except ProfileError:
        return False
    return True
