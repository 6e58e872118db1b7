"""What the profiles agent holds of a partition: packed profiles, erasure markers, trend counts. No Kafka."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from ranker.catalogue.popularity import TrendCounts
from ranker.profile.codec import ProfileError, unpack, version_of
from ranker.profile.event_ids import EventIds, Page, page_key, user_of
from ranker.profile.model import EMPTY, Profile
from schemas.messages.erasures import ErasureMarker
from streams.profiles.unconfirmed import UnconfirmedExamples

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
    event_ids: dict[str, EventIds]  # by user id, of those who have pages
    next_offset: int = 0  # of feedback, where the next poll begins; 0: not known
    unconfirmed: UnconfirmedExamples = field(default_factory=UnconfirmedExamples)


def empty_partition(partition: int) -> PartitionState:
    """The state of a partition before its first event."""
    return PartitionState(PackedProfiles({}), {}, TrendCounts(partition), {})


def recovered_event_ids(
    pages: Mapping[str, Page],
    versions: Callable[[str], int],
    is_after_erasure: Callable[[str, int], bool],
    late_ms: int,
) -> tuple[dict[str, EventIds], list[str]]:
    """Stored pages by their keys, put together by person, and the keys of those that are to be deleted.

    A page counts only for a profile that has reached its version: the events of others are redelivered, and their page
    is cut off once more. One from before an erasure goes, as does one whose events would be late by now.

    versions          the version of a person's profile; 0: there is none
    is_after_erasure  whether what has this version was written after the person's last erasure
    """
    people: dict[str, list[Page]] = {}
    gone = []
    for key, page in pages.items():
        user_id = user_of(key)
        if not is_after_erasure(user_id, page.version):
            gone.append(key)
        elif page.version <= versions(user_id):
            people.setdefault(user_id, []).append(page)
    held = {user_id: EventIds(theirs) for user_id, theirs in people.items()}
    for user_id, ids in held.items():
        gone += [page_key(user_id, version) for version in ids.trim(late_ms)]
    return held, gone


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
