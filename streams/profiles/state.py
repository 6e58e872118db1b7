"""What the profiles agent holds of a partition: packed profiles, erasure markers, trend counts. No Kafka."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from ranker.catalogue.popularity import TrendCounts
from ranker.profile.codec import ProfileError, unpack, version_of
from ranker.profile.model import EMPTY, Profile
from schemas.messages.erasures import ErasureMarker

log = logging.getLogger("freshet.profiles")


class PackedProfiles(Mapping[str, Profile]):
    """One partition's profiles by user id, opened when they are asked for: to keep them open would cost more."""

    def __init__(self, packed: dict[str, bytes]) -> None:
        self.packed = packed

    def __getitem__(self, user_id: str) -> Profile:
        return _opened(user_id, self.packed[user_id])

    def get(self, user_id: str, default: Profile | None = None) -> Profile | None:  # type: ignore[override]
        """A person's profile; asked for every person of every batch, so it does not end in a caught KeyError."""
        data = self.packed.get(user_id)
        return default if data is None else _opened(user_id, data)

    def __iter__(self) -> Iterator[str]:
        return iter(self.packed)

    def __len__(self) -> int:
        return len(self.packed)


@dataclass(frozen=True)
class PartitionState:
    """All that the profiles step reads and changes of one partition."""

    profiles: PackedProfiles
    markers: dict[str, ErasureMarker]  # by keyed hash of the user id
    trends: TrendCounts


def empty_partition(partition: int) -> PartitionState:
    """The state of a partition before its first event."""
    return PartitionState(PackedProfiles({}), {}, TrendCounts(partition))


def version_or_zero(data: bytes) -> int:
    """The version of stored bytes; 0 where they are no profile."""
    try:
        return version_of(data)
    except ProfileError:
        return 0


def _opened(user_id: str, data: bytes) -> Profile:
    """A stored profile; a damaged one starts again from empty, above the versions that were given out."""
    try:
        return unpack(data)
    except ProfileError as error:
        log.error("the profile of a person is damaged and starts again from empty: %s", error)
        return msgspec.structs.replace(EMPTY, version=version_or_zero(data))
