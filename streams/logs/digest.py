"""The state digest of the live system: every newest profile of the changelog."""

import asyncio

from ranker.profile.codec import state_digest, unpack
from ranker.profile.model import EMPTY, Profile
from schemas.settings.model import Settings
from schemas.topics import PROFILES
from streams.kafka.owned_state import text_of
from streams.kafka.reader import read_to_end, required_partitions


def live_digest(settings: Settings) -> tuple[str, int]:
    """SHA-256 over all profiles that the profiles topic holds now, and how many there are."""
    profiles = asyncio.run(_profiles(settings))
    return state_digest(profiles.items()), len(profiles)


async def _profiles(settings: Settings) -> dict[str, Profile]:
    topic = PROFILES.full(settings.prefix)
    newest: dict[str, Profile] = {}
    async for batch in read_to_end(settings, topic, await required_partitions(settings, topic)):
        for record in batch:
            user_id = text_of(record.key)
            if record.value is None:
                newest.pop(user_id, None)
            elif (profile := unpack(record.value)).version >= newest.get(user_id, EMPTY).version:
                newest[user_id] = profile
    return newest
