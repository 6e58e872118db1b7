"""One point that a server refuses keeps no other out of the index: a batch is cut in half until it stands alone."""

from collections.abc import Awaitable, Callable, Sequence

from streams.qdrant.client import ContentRefused
from streams.qdrant.mapping import Change


async def isolated(store: Callable[[Sequence[Change]], Awaitable[None]], changes: Sequence[Change]) -> dict[str, str]:
    """Store all but what is refused alone; returns why, by video id. Of n changes one costs about 2 log₂ n requests."""
    try:
        await store(changes)
    except ContentRefused as refused:
        if len(changes) == 1:
            return {changes[0].video_id: str(refused)}
        middle = len(changes) // 2
        return await isolated(store, changes[:middle]) | await isolated(store, changes[middle:])
    return {}
