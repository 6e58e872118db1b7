"""Slates in place of those that have expired: of the stored profile, as if an event that says nothing came now.

A slate's header names the offset of its profile on profiles.v1, so one record is read, however many people there are.
"""

import asyncio
import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from ranker.profile.codec import ProfileError, pack, unpack
from schemas.messages import recommendations
from schemas.messages.recommendations import recommendation_id
from schemas.settings.model import Settings
from schemas.topics import PROFILES
from streams.api.catalogue.follower import FollowedCatalogue
from streams.api.catalogue.state import CatalogueState
from streams.api.cold import REFRESH_MS
from streams.api.slate_store import SlateRecord, StoredSlate
from streams.kafka.client import KafkaException
from streams.kafka.reader import record_at
from streams.kafka.records import Record

log = logging.getLogger("freshet.api")

LIMIT_S = 1.0  # of one reading; and of the wait for others before it
READINGS = 4  # at a time: each opens a client
KEPT = 1000  # renewed slates, some 7 kB each: whoever asks again gets the same one


class ProfileLog(Protocol):
    """Finds the profile that a slate was made of."""

    async def at(self, partition: int, offset: int) -> Record | None:
        """The record of profiles.v1 at a place; None where it is gone, or cannot be had soon."""


class KafkaProfileLog:
    """Reads it from Kafka, within a time limit."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._topic = settings, PROFILES.full(settings.prefix)
        self._readings = asyncio.Semaphore(READINGS)

    async def at(self, partition: int, offset: int) -> Record | None:
        """The record; None where compaction took it, or it did not come in time."""
        try:
            async with asyncio.timeout(2 * LIMIT_S), self._readings:
                place = self._topic, partition, offset
                return await asyncio.to_thread(record_at, self._settings, *place, LIMIT_S)
        except (TimeoutError, KafkaException) as error:
            log.info("%s[%d]@%d was not read: %r", self._topic, partition, offset, error)
            return None


class _Renewed(NamedTuple):
    expired: StoredSlate
    slate: StoredSlate


class RenewedSlates:
    """Makes them, and gives each again for as long as it counts."""

    def __init__(self, catalogue: FollowedCatalogue, profiles: ProfileLog) -> None:
        self._catalogue, self._profiles = catalogue, profiles
        self._kept: OrderedDict[str, _Renewed] = OrderedDict()
        self._erasures, self._lock = 0, threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    async def slate(self, user_id: str, expired: StoredSlate, now_ms: int) -> StoredSlate | None:
        """A slate of the profile that an expired one was made of; None where none can be made."""
        kept, erasures = self._kept.get(user_id), self._erasures
        if kept and kept.expired == expired and now_ms < kept.slate.expires_at_ms:
            return kept.slate
        if expired.source < 0 or not self._catalogue.is_read:
            return None
        record = await self._profiles.at(expired.partition, expired.source)
        if record is None or record.key != user_id.encode() or not record.value:
            return None
        message = await self._catalogue.ask(lambda state: renewed(state, record, now_ms))
        if message is None:
            return None
        slate = StoredSlate.of(message)
        self._keep(user_id, _Renewed(expired, slate), erasures)
        return slate

    def observe(self, records: Sequence[SlateRecord]) -> None:
        """Drop the slates of people who were erased; to be called with what the follower's thread reads."""
        erased = [record.key.decode() for record in records if record.slate is None]
        with self._lock:
            self._erasures += len(erased)
            for user_id in erased:
                self._kept.pop(user_id, None)

    def _keep(self, user_id: str, renewed: _Renewed, erasures: int) -> None:
        with self._lock:
            if erasures != self._erasures:
                return  # somebody was erased while it was made, perhaps this person
            self._kept[user_id] = renewed
            self._kept.move_to_end(user_id)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)


async def renewed(state: CatalogueState, record: Record, now_ms: int) -> bytes | None:
    """A message of recommendations.v1 from a record of profiles.v1, made at `now_ms`; None where nothing may be shown.

    Version and trigger are the profile's. The id is not that of the slate which expired, as the items are others.
    """
    try:
        profile, period = unpack(record.value or b""), now_ms // REFRESH_MS
    except ProfileError as error:
        log.warning("%s[%d]@%d is no profile: %s", *record[:3], error)
        return None
    asked = pack(replace(profile, version=period, newest_ms=max(now_ms, profile.newest_ms)))
    outcome = await state.step.apply([record._replace(timestamp=now_ms, value=asked)])
    slates = [answer.slate for answer in outcome.answers if answer.slate is not None]
    if not slates:
        return None
    slate, identity = slates[0], recommendation_id(slates[0].user_id, period)
    return recommendations.encode(replace(slate, version=profile.version, recommendation_id=identity))
