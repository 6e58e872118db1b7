"""The demo's own collection in a Qdrant server, where one is set: waited for, and removed in the end."""

import asyncio
import time
from collections.abc import Callable
from functools import partial

from encoders.fusion.embeddings import DIM, fusion_of
from encoders.fusion.fusion import version_of
from ranker.retrieval.index import IndexUnavailable
from schemas.settings.model import Settings

WITHOUT = "slates are made without the vector index"
LIMIT_S = 60.0  # a guess
LOOK_S = 0.2


def wait_for_index(
    settings: Settings, videos: int, ranker_said: Callable[[], str], report: Callable[[str], None]
) -> None:
    """Return when slates are made with the server, or say that they are not: nothing of the story needs it."""
    if not settings.qdrant_url:
        return
    report("  waiting for Qdrant to hold the videos")
    end_s = time.monotonic() + LIMIT_S
    while (held := asyncio.run(_count(settings))) < videos or (lack := _lack(ranker_said())):
        if time.monotonic() > end_s:
            report(f"  Qdrant has {held} of {videos} videos after {LIMIT_S:g} s; {lack or WITHOUT}")
            report("  so they say degraded: vector_index")
            return
        time.sleep(LOOK_S)
    report(f"  Qdrant holds {held} videos, and slates are made with it")


def remove_collections(settings: Settings, report: Callable[[str], None]) -> None:
    """Delete what this demo has put into the server: its collection's name is no other's."""
    try:
        asyncio.run(_remove(settings))
    except IndexUnavailable as error:
        report(f"the demo's collection {_alias(settings)} stays in Qdrant: {error}")


async def _count(settings: Settings) -> int:
    from streams.qdrant.index import reader_of  # half a second of qdrant-client, for who has a server

    index = reader_of(settings, DIM, version_of(fusion_of(settings).version))
    try:
        return await index.count()
    except IndexUnavailable:
        return 0
    finally:
        await index.close()


async def _remove(settings: Settings) -> None:
    from streams.qdrant.client import READING, client_of, with_retries

    client = client_of(settings)
    try:
        there = await with_retries("list its collections", client.get_collections, READING)
        for name in [one.name for one in there.collections if one.name.startswith(f"{_alias(settings)}-")]:
            await with_retries("delete a collection", partial(client.delete_collection, name), READING)
    finally:
        await client.close()


def _alias(settings: Settings) -> str:
    from streams.qdrant.mapping import alias_of

    return alias_of(settings)


def _lack(said: str) -> str:
    """The ranking agent's last word of the index, where it is that slates are made without it."""
    words = [line for line in said.splitlines() if "the vector index" in line]
    return words[-1] if words and WITHOUT in words[-1] else ""
