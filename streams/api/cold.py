"""Slates for people of whom nothing is known: by the same feed, as an empty profile gets them."""

from typing import NamedTuple
from zlib import crc32

from msgspec.structs import replace

from ranker.profile.codec import pack
from ranker.profile.model import EMPTY, Origin
from schemas.messages import recommendations
from schemas.messages.recommendations import Recommendation, recommendation_id
from schemas.topics import FEEDBACK, PROFILES
from streams.api.catalogue.follower import FollowedCatalogue
from streams.api.catalogue.state import CatalogueState
from streams.kafka.records import Record, partition_of

REFRESH_MS = 2_000  # how long a cold slate is given; withdrawals count at once
NO_EVENT = -1  # the offset before every event's
VARIANTS = 16  # cold slates at a time, so that exploration shows more than one draw of the newest videos; a guess


class Made(NamedTuple):
    """A cold slate, and what it was made of."""

    period: int
    retirements: int
    slate: Recommendation | None


class ColdSlates:
    """Makes some cold slates at a time, and gives each person one of them."""

    def __init__(self, catalogue: FollowedCatalogue, partitions: int) -> None:
        self._catalogue, self._partitions = catalogue, partitions
        self._made: dict[int, Made] = {}

    async def slate(self, user_id: str, now_ms: int) -> bytes | None:
        """A message of recommendations.v1, of version 0 and without an event; None where none can be made yet."""
        if not self._catalogue.is_read:
            return None
        variant = crc32(user_id.encode("utf-8", "replace")) % VARIANTS
        made = await self._catalogue.ask(lambda state: self._current(state, variant, now_ms))
        return None if made.slate is None else message_for(made.slate, user_id, made.period, self._partitions)

    async def _current(self, state: CatalogueState, variant: int, now_ms: int) -> Made:
        period, retirements = now_ms // REFRESH_MS, state.shared.catalogue.retirements
        made = self._made.get(variant)
        if made is None or made[:2] != (period, retirements):
            slate = await cold_slate(state, f"cold-{variant}", period, now_ms)
            made = self._made[variant] = Made(period, retirements, slate)
        return made


async def cold_slate(state: CatalogueState, name: str, period: int, now_ms: int) -> Recommendation | None:
    """What the ranking step makes of a profile without a single event; None where nothing may be shown.

    name, period  choose what exploration draws
    """
    prefix = state.settings.prefix
    origin = Origin(None, FEEDBACK.full(prefix), 0, NO_EVENT, now_ms)
    profile = replace(EMPTY, version=period, newest_ms=now_ms, origin=origin)
    record = Record(PROFILES.full(prefix), 0, 0, now_ms, name.encode(), pack(profile))
    return next((answer.slate for answer in (await state.step.apply([record])).answers), None)


def message_for(slate: Recommendation, user_id: str, period: int, partitions: int) -> bytes:
    """The slate as a person's; version 0 is below that of every slate of theirs that an event brings."""
    partition = partition_of(user_id.encode("utf-8", "replace"), partitions)
    mine = replace(
        slate,
        recommendation_id=recommendation_id(user_id, period),
        user_id=user_id,
        version=0,
        trigger=replace(slate.trigger, partition=partition, offset=NO_EVENT),
    )
    return recommendations.encode(mine)
