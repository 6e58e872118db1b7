"""The state digest of the live system: every newest profile of the changelog."""

import asyncio

from ranker.state import Profile, state_digest, unpack
from schemas.settings import Settings
from schemas.topics import PROFILES
from streams.kafka import groupless, partitions_of, read_to_end


def live_digest(settings: Settings) -> tuple[str, int]:
    """SHA-256 over all profiles as the profiles topic holds them now, and how many they are."""
    profiles = asyncio.run(_profiles(settings))
    return state_digest(profiles.items()), len(profiles)


async def _profiles(settings: Settings) -> dict[str, Profile]:
    topic = PROFILES.full(settings.prefix)
    async with groupless(settings) as consumer:
        partitions = await partitions_of(consumer, topic)
    newest: dict[str, bytes | None] = {}
    async for batch in read_to_end(settings, topic, partitions):
        newest.update((record.key.decode(), record.value) for record in batch)
    return {user: unpack(value) for user, value in newest.items() if value is not None}
