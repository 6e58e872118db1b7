"""Slates for people of whom nothing is known: by the same feed, as an empty profile gets them."""

from collections.abc import Mapping
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

REFRESH_MS = 2_000  # how long cold slates are given; withdrawals count at once
NO_EVENT = -1  # the offset before every event's
VARIANTS = 16  # cold slates at a time, so that exploration shows more than one draw of the newest videos; a guess


class Made(NamedTuple):
    """The cold slates of one period, by variant, and what they were made of."""

    period: int
    retirements: int
    slates: Mapping[int, Recommendation]


class ColdSlates:
    """Makes some cold slates at a time, and gives each person one of them."""

    def __init__(self, catalogue: FollowedCatalogue, partitions: int) -> None:
        self._catalogue, self._partitions = catalogue, partitions
        self._made: Made | None = None

    async def slate(self, user_id: str, now_ms: int) -> bytes | None:
        """A message of recommendations.v1, of version 0 and without an event; None where none can be made yet."""
        if not self._catalogue.is_read:
            return None
        made = await self._catalogue.ask(lambda state: self._current(state, now_ms))
        slate = made.slates.get(crc32(user_id.encode("utf-8", "replace")) % VARIANTS)
        return None if slate is None else message_for(slate, user_id, made.period, self._partitions)

    async def _current(self, state: CatalogueState, now_ms: int) -> Made:
        period, retirements = now_ms // REFRESH_MS, state.shared.catalogue.retirements
        if self._made is None or self._made[:2] != (period, retirements):
            self._made = Made(period, retirements, await cold_slates(state, period, now_ms))
        return self._made


async def cold_slates(state: CatalogueState, period: int, now_ms: int) -> dict[int, Recommendation]:
    """What the ranking step makes of profiles without a single event, by variant; empty where nothing may be shown.

    period  chooses, with the variant, what exploration draws
    """
    prefix = state.settings.prefix
    origin = Origin(None, FEEDBACK.full(prefix), 0, NO_EVENT, now_ms)
    packed = pack(replace(EMPTY, version=period, newest_ms=now_ms, origin=origin))
    keys = {f"cold-{variant}".encode(): variant for variant in range(VARIANTS)}
    outcome = await state.step.apply([Record(PROFILES.full(prefix), 0, 0, now_ms, key, packed) for key in keys])
    return {keys[one.record.key or b""]: one.slate for one in outcome.answers if one.slate is not None}


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
