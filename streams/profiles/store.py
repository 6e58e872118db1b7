"""The profiles that a worker owns: packed as they are stored, opened as they are touched."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from ranker.profile.codec import ProfileError, looks_like_ours, order_of, unpack, version_of
from ranker.profile.model import EMPTY, Profile
from schemas.settings.model import Settings
from schemas.topics import FEEDBACK, PROFILES
from streams.kafka.confirmed_producer import ConfirmedProducer, Outgoing
from streams.kafka.owned_state import OwnedState
from streams.profiles.erasure import ErasureMarkers

log = logging.getLogger("freshet.people")


class PackedProfiles(Mapping[str, Profile]):
    """One partition's profiles by user id, opened whenever one is asked for: to keep them opened would cost more."""

    def __init__(self, packed: dict[str, bytes]) -> None:
        self.packed = packed
        self._starts: Mapping[str, Profile] = {}  # of people who come back with this batch

    def __getitem__(self, user_id: str) -> Profile:
        return self._starts[user_id] if user_id in self._starts else _opened(user_id, self.packed[user_id])

    def get(self, user_id: str, default: Profile | None = None) -> Profile | None:  # type: ignore[override]
        """A person's profile; asked for every person of every batch, so it does not end in a caught KeyError."""
        if user_id in self._starts:
            return self._starts[user_id]
        data = self.packed.get(user_id)
        return default if data is None else _opened(user_id, data)

    def __iter__(self) -> Iterator[str]:
        return iter(self.packed)

    def __len__(self) -> int:
        return len(self.packed)

    def take(self, changed: Mapping[str, bytes]) -> list[Outgoing]:
        """Take changed profiles in; returns them as records of the changelog."""
        self._starts = {}
        self.packed.update(changed)
        return [Outgoing(user_id.encode(), data) for user_id, data in changed.items()]

    def begin(self, starts: Mapping[str, Profile]) -> None:
        """Let people who come back start from these; whoever is begun is taken in with the same batch."""
        self._starts = starts

    def drop(self, user_id: str) -> None:
        """Forget a person."""
        self.packed.pop(user_id, None)


class ProfileStore(OwnedState[bytes]):
    """Owned profiles; their changelog is what the ranking agent reads."""

    def __init__(self, app: Any, settings: Settings, out: ConfirmedProducer) -> None:
        source, changelog = FEEDBACK.full(settings.prefix), PROFILES.full(settings.prefix)
        super().__init__(app, settings, source, changelog, _sound, order_of, out)
        self.markers = ErasureMarkers(app, settings, out)
        self._rows: dict[int, PackedProfiles] = {}

    def rows(self, partition: int) -> PackedProfiles:
        """Profiles of one owned partition."""
        packed = self[partition]
        rows = self._rows.get(partition)
        if rows is None or rows.packed is not packed:  # recovered anew since
            rows = self._rows[partition] = PackedProfiles(packed)
        return rows

    def _replaces(self, value: bytes, known: bytes) -> bool:
        """A cut profile has its whole one's version: of two that differ the later counts if it can be opened."""
        return value == known or _opens(value)

    def _whole(self, data: bytes) -> bytes:
        unpack(data)
        return data

    async def recover(self, partitions: set[int]) -> None:
        """Read the floors and the profiles back; what lies below its floor is no longer anybody's profile."""
        await self.markers.recover(partitions)
        await super().recover(partitions)
        for partition in sorted(partitions):
            await self._write_tombstones(partition, self.markers.below(partition, self[partition], _version))

    async def _republish(self, partition: int, keys: Iterable[str]) -> None:
        wanted = set(keys)
        await super()._republish(partition, wanted)
        gone = (user_id for user_id in wanted if user_id not in self[partition])
        await self._write_tombstones(
            partition, [user_id for user_id in gone if self.markers.of_person(partition, user_id)]
        )

    async def _write_tombstones(self, partition: int, people: Iterable[str]) -> None:
        """Put the tombstones again of erased people of whom a worker that was cut off wrote late."""
        if not (people := sorted(people)):
            return
        log.warning("%s[%d]: %d profiles from before an erasure are dropped", self.changelog, partition, len(people))
        for user_id in people:
            self[partition].pop(user_id, None)
        self._out.put(self.changelog, partition, [Outgoing(user_id.encode(), None) for user_id in people])
        await self._out.confirmed()


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


def _version(data: bytes) -> int:
    try:
        return version_of(data)
    except ProfileError:
        return 0


def _opened(user_id: str, data: bytes) -> Profile:
    """A stored profile; a damaged one begins anew, above the versions that were given out."""
    try:
        return unpack(data)
    except ProfileError as error:
        log.error("the profile of a person is damaged and begins anew: %s", error)
        return msgspec.structs.replace(EMPTY, version=_version(data))
