"""Erasures as the profiles agent meets them: the floors that it owns, and the people who go."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from ranker.profile.erasure import Admitted, admit, coder, lives, raised
from ranker.profile.fold import Arrival
from ranker.profile.model import Profile
from schemas.messages import recommendations
from schemas.messages.dead_letters import DeadLetter, Reason
from schemas.messages.erasures import Erasure, Floor, decode_erasure, decode_floor
from schemas.settings.model import Settings
from schemas.topics import ERASED, ERASURES, FEEDBACK, PEOPLE
from streams.dead_letters import validation
from streams.dead_letters.publisher import put_letters
from streams.dead_letters.validation import Record, Refused, letter
from streams.kafka.confirmed_producer import Outbox, Outgoing
from streams.kafka.owned_state import OwnedState
from streams.kafka.records import partition_of

if TYPE_CHECKING:
    from streams.profiles.store import People

ERASURE_BYTES = 4096
V = TypeVar("V")


class Reading(NamedTuple):
    """What a batch of erasures.v1 turned out to be."""

    erasures: list[Erasure]
    letters: list[DeadLetter]
    astray: list[Outgoing]  # on the wrong partition: to be sent again by key


class Floors(OwnedState[Floor]):
    """Floors of the owned partitions, by the keyed hash of a person's id; recovered with the profiles, before them."""

    def __init__(self, app: Any, settings: Settings, out: Outbox) -> None:
        source, changelog = FEEDBACK.full(settings.prefix), ERASED.full(settings.prefix)
        super().__init__(app, settings, source, changelog, decode_floor, _order, out)
        self._code = coder(settings.erasure_key.get_secret_value())

    async def _on_assigned(self, app: Any, **_: Any) -> None:
        """Whoever recovers the profiles recovers these first."""

    def of_person(self, partition: int, user_id: str) -> Floor | None:
        """A person's floor, or None for who was never erased."""
        floors = self[partition]
        return floors.get(self._code(user_id)) if floors else None

    def admit(self, partition: int, people: Mapping[str, Profile], arrivals: list[Arrival]) -> Admitted:
        """Part events that may be taken in from those at or before their person's erasure."""
        floors = self[partition]
        return admit(floors, self._code, people, arrivals) if floors else Admitted(arrivals, [], {})

    def below(self, partition: int, versions: Mapping[str, V], version_of: Callable[[V], int]) -> list[str]:
        """The people whose stored value began before their last erasure."""
        if not self[partition]:
            return []
        pairs = ((user_id, version_of(value)) for user_id, value in versions.items())
        return [user_id for user_id, version in pairs if not lives(self.of_person(partition, user_id), version)]

    def raise_floor(self, partition: int, erasure: Erasure, profile: Profile | None) -> Outgoing | None:
        """The floor that an erasure leaves, to be sent; None where one is there that forgets as much."""
        code = self._code(erasure.user_id)
        floor = raised(self[partition].get(code), profile, erasure.at_ms)
        if floor is None:
            return None
        self[partition][code] = floor
        return Outgoing(code.encode(), recommendations.encode(floor))


def _order(floor: Floor) -> int:
    """Of two floors the later counts, and of two of one time the higher."""
    return floor.at_ms << 64 | floor.version


async def forget(poll: Any, people: "People", settings: Settings, out: Outbox) -> None:
    """Erase whom a poll names; the floors are confirmed before anything of a person goes."""
    gone: dict[str, int] = {}  # person → partition
    for tp, records in poll.items():
        if tp.topic != ERASURES.full(settings.prefix):
            continue
        reading = read_erasures(records, await out.partitions(tp.topic))
        for erasure in reading.erasures:
            profile = people.rows(tp.partition).get(erasure.user_id)
            floor = people.floors.raise_floor(tp.partition, erasure, profile)
            if floor is not None:
                out.put(people.floors.changelog, tp.partition, [floor])
            if floor is not None or profile is None:  # else they were erased later already, and have come back since
                gone[erasure.user_id] = tp.partition
        await out.put_by_key(tp.topic, reading.astray)
        await put_letters(out, settings, reading.letters)
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
                reading.astray.append(validation.sent_again(record, erasure.user_id))
        except Refused as why:
            reading.letters.append(letter(record, why.reason, why.detail))
    return reading


def erased_letters(records: Sequence[Record], erased: Iterable[Arrival]) -> list[DeadLetter]:
    """Dead letters for events at or before their person's erasure: place and reason, and nothing of the person."""
    offsets = {arrival.offset for arrival in erased}
    if not offsets:
        return []
    detail = "$.at_ms is not after this person's erasure; key and value are left out"
    mine = [record for record in records if record.offset in offsets]
    letters = (letter(record, Reason.ERASED, detail) for record in mine)
    return [msgspec.structs.replace(one, key=None, value=b"", headers=()) for one in letters]


def _erasure(record: Record) -> Erasure:
    erasure, _ = validation.decoded(record, decode_erasure, ERASURE_BYTES)
    validation.check_ids(user_id=erasure.user_id)
    validation.check_time(record, erasure.at_ms)
    if record.key is not None and record.key != erasure.user_id.encode():
        raise Refused(Reason.KEY_MISMATCH, "the record's key is not its $.user_id")
    return erasure
