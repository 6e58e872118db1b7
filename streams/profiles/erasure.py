"""Erasures as the profiles agent meets them: the floors that it owns, and the people who go."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from ranker.profile.erasure import SplitByErasure, advance_marker, coder, is_after_erasure, split_by_erasure
from ranker.profile.fold import Arrival
from ranker.profile.model import Profile
from schemas.messages import recommendations
from schemas.messages.dead_letters import DeadLetter, Reason
from schemas.messages.erasures import Erasure, ErasureMarker, decode_erasure, decode_marker
from schemas.settings.model import Settings
from schemas.topics import ERASED, ERASURES, FEEDBACK, PEOPLE
from streams.dead_letters import validation
from streams.dead_letters.publisher import put_dead_letters
from streams.dead_letters.validation import RejectedRecord, dead_letter
from streams.kafka.confirmed_producer import ConfirmedProducer, Outgoing
from streams.kafka.owned_state import OwnedState
from streams.kafka.records import Record, partition_of

if TYPE_CHECKING:
    from streams.profiles.store import ProfileStore

ERASURE_BYTES = 4096
V = TypeVar("V")


class Reading(NamedTuple):
    """What a batch of erasures.v1 turned out to be."""

    erasures: list[Erasure]
    letters: list[DeadLetter]
    misrouted: list[Outgoing]  # on the wrong partition: to be sent again by key


class ErasureMarkers(OwnedState[ErasureMarker]):
    """Markers of the owned partitions, by the keyed hash of a person's id; recovered before the profiles."""

    def __init__(self, app: Any, settings: Settings, out: ConfirmedProducer) -> None:
        source, changelog = FEEDBACK.full(settings.prefix), ERASED.full(settings.prefix)
        super().__init__(app, settings, source, changelog, decode_marker, _order, out)
        self._code = coder(settings.erasure_key.get_secret_value())

    async def _on_assigned(self, app: Any, **_: Any) -> None:
        """Whoever recovers the profiles recovers these first."""

    def of_person(self, partition: int, user_id: str) -> ErasureMarker | None:
        """A person's floor, or None for who was never erased."""
        markers = self[partition]
        return markers.get(self._code(user_id)) if markers else None

    def split_by_erasure(
        self, partition: int, people: Mapping[str, Profile], arrivals: list[Arrival]
    ) -> SplitByErasure:
        """Part events that may be taken in from those at or before their person's erasure."""
        markers = self[partition]
        return split_by_erasure(markers, self._code, people, arrivals) if markers else SplitByErasure(arrivals, [], {})

    def below(self, partition: int, versions: Mapping[str, V], version_of: Callable[[V], int]) -> list[str]:
        """The people whose stored value began before their last erasure."""
        if not self[partition]:
            return []
        pairs = ((user_id, version_of(value)) for user_id, value in versions.items())
        return [
            user_id for user_id, version in pairs if not is_after_erasure(self.of_person(partition, user_id), version)
        ]

    def advance(self, partition: int, erasure: Erasure, profile: Profile | None) -> Outgoing | None:
        """The floor that an erasure leaves, to be sent; None where one is there that forgets as much."""
        code = self._code(erasure.user_id)
        marker = advance_marker(self[partition].get(code), profile, erasure.at_ms)
        if marker is None:
            return None
        self[partition][code] = marker
        return Outgoing(code.encode(), recommendations.encode(marker))


def _order(marker: ErasureMarker) -> int:
    """Of two floors the later counts, and of two of one time the higher."""
    return marker.at_ms << 64 | marker.version


async def forget(poll: Any, people: "ProfileStore", settings: Settings, out: ConfirmedProducer) -> None:
    """Erase whom a poll names; the floors are confirmed before anything of a person goes."""
    gone: dict[str, int] = {}  # person → partition
    for tp, records in poll.items():
        if tp.topic != ERASURES.full(settings.prefix):
            continue
        reading = read_erasures(records, await out.partitions(tp.topic))
        for erasure in reading.erasures:
            profile = people.rows(tp.partition).get(erasure.user_id)
            marker = people.markers.advance(tp.partition, erasure, profile)
            if marker is not None:
                out.put(people.markers.changelog, tp.partition, [marker])
            if marker is not None or profile is None:  # else they were erased later already, and have come back since
                gone[erasure.user_id] = tp.partition
        await out.put_by_key(tp.topic, reading.misrouted)
        await put_dead_letters(out, settings, reading.letters)
    if gone:
        await out.confirmed()  # whatever happens from here on, what lies below a floor is dropped by who recovers it
    for user_id, partition in gone.items():
        people.rows(partition).drop(user_id)
        for topic in (people.changelog, PEOPLE.full(settings.prefix)):
            out.put(topic, partition, [Outgoing(user_id.encode(), None)])


def read_erasures(records: Iterable[Record], partitions: int) -> Reading:
    """Read a batch of erasures.v1; the topic has so many partitions. Never raises on what a record holds."""
    reading = Reading([], [], [])
    for record in records:
        try:
            erasure = _erasure(record)
            if partition_of(erasure.user_id.encode(), partitions) == record.partition:
                reading.erasures.append(erasure)
            else:
                reading.misrouted.append(validation.reroute(record, erasure.user_id))
        except RejectedRecord as why:
            reading.letters.append(dead_letter(record, why.reason, why.detail))
    return reading


def erased_letters(records: Sequence[Record], erased: Iterable[Arrival]) -> list[DeadLetter]:
    """Dead letters for events at or before their person's erasure: place and reason, and nothing of the person."""
    offsets = {arrival.offset for arrival in erased}
    if not offsets:
        return []
    detail = "$.at_ms is not after this person's erasure; key and value are left out"
    mine = [record for record in records if record.offset in offsets]
    letters = (dead_letter(record, Reason.ERASED, detail) for record in mine)
    return [msgspec.structs.replace(one, key=None, value=b"", headers=()) for one in letters]


def _erasure(record: Record) -> Erasure:
    erasure, _ = validation.decoded(record, decode_erasure, ERASURE_BYTES)
    validation.check_ids(user_id=erasure.user_id)
    validation.check_time(record, erasure.at_ms)
    if record.key is not None and record.key != erasure.user_id.encode():
        raise RejectedRecord(Reason.KEY_MISMATCH, "the record's key is not its $.user_id")
    return erasure
