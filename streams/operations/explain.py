"""Explaining a slate from what Kafka holds: the catalogue, its popularity, and one person's profile."""

import asyncio

import msgspec

from ranker.catalogue.catalogue import Catalogue
from ranker.feeds.feed import FeedContext
from ranker.feeds.load import build_feed, learned_of
from ranker.pipeline.pipeline import Pipeline
from ranker.pipeline.trace import Trace, trace
from ranker.pipeline.types import Query
from ranker.profile.model import Profile
from ranker.retrieval.exact import ExactIndex
from schemas.settings.model import Settings
from schemas.topics import FEATURES, TRENDS, WEIGHTS
from streams.errors import OperatorError
from streams.kafka.reader import read_to_end, required_partitions
from streams.operations.snapshot import stored_profile
from streams.ranking.sequence import sequence_of
from streams.ranking.shared_state import SharedState


def explain(settings: Settings, user_id: str, video_id: str) -> Trace:
    """What the feed makes of a video for a person, by their newest profile and the shared state as it is now."""
    return asyncio.run(_explain(settings, user_id, video_id))


async def _explain(settings: Settings, user_id: str, video_id: str) -> Trace:
    profile = await stored_profile(settings, user_id)
    if profile is None:
        raise OperatorError(
            f"Nothing is known of {user_id!r}: no event of theirs was accepted, or they were erased.",
            "Look at `freshet dlq ls` for what was refused.",
        )
    shared = SharedState(settings, Catalogue(), learned=learned_of(settings))
    for topic in (FEATURES, TRENDS, WEIGHTS):
        name = topic.full(settings.prefix)
        async for records in read_to_end(settings, name, await required_partitions(settings, name)):
            shared.apply(records)
    context = FeedContext(
        shared.catalogue,
        ExactIndex(shared.catalogue),
        settings,
        learned=shared.learned,
        sequence=sequence_of(settings),
    )
    return await trace_for(build_feed(context), user_id, profile, settings.seed, video_id)


async def trace_for(feed: Pipeline, user_id: str, profile: Profile, seed: int, video_id: str) -> Trace:
    """What a feed makes of a video for a person, at the time of their newest event."""
    return await trace(feed, Query(user_id, profile.version, profile.newest_ms, profile, seed), video_id)


def as_dict(found: Trace) -> dict[str, object]:
    """A trace for scripts, with its sentence."""
    return {**msgspec.to_builtins(found), "summary": found.summary()}
