"""The two digests of a replay: of all profiles, and of all slates."""

from collections.abc import Mapping
from hashlib import sha256

import msgspec

from ranker.profile.codec import state_digest
from schemas.messages.recommendations import Recommendation
from streams.profiles.state import PartitionState
from streams.ranking.slates import placeless

SlateDigests = dict[tuple[str, int], bytes]  # by person and version

_canonical = msgspec.json.Encoder(order="sorted").encode


def partitions_digest(states: Mapping[int, PartitionState]) -> str:
    """The digest of all profiles, whatever partitions they lie in."""
    return state_digest((user, profile) for state in states.values() for user, profile in state.profiles.items())


def digest_of(slate: Recommendation) -> bytes:
    """What a slate says, wherever and whenever it is computed."""
    return sha256(_canonical(placeless(slate))).digest()


def slates_digest(digests: SlateDigests) -> str:
    """The digest of all slates, in whatever order they were made."""
    digest = sha256()
    for (user, version), one in sorted(digests.items()):
        digest.update(f"{user}\0{version}\0".encode() + one)
    return digest.hexdigest()
