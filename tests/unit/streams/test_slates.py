"""Slates as messages: when they expire, whatever the time of the event that triggered them."""

import asyncio
from collections.abc import Sequence

import pytest

from ranker.catalogue.catalogue import Catalogue
from ranker.pipeline.types import Drops, Query, Slate
from ranker.profile.codec import pack
from schemas.messages.fields import DAY_MS
from schemas.messages.recommendations import SLATE_LIFE_MS, Item, Recommendation
from schemas.settings.model import Settings
from streams.kafka.records import Record
from streams.ranking.shared_state import SharedState
from streams.ranking.slates import placeless
from streams.ranking.step import RankStep
from tests.support.events import NOON, after, encoded, minute, watched


async def one_video(queries: Sequence[Query]) -> list[Slate]:
    items = [Item(1, "v1", 1.0, {}, 1.0, ["turn"], [])]
    return [Slate(query.user_id, query.version, items, Drops((), ())) for query in queries]


def slate_of(event_ms: int, written_ms: int, now_ms: int) -> Recommendation:
    settings = Settings()  # type: ignore[call-arg]
    shared = SharedState(settings, Catalogue())
    shared.apply_features([encoded("v1")])
    step = RankStep(settings, shared, one_video, {}, now_ms=lambda: float(now_ms))
    profile = after(watched("ana", "v2", event_ms))
    record = Record("freshet.profiles.v1", 0, 0, written_ms, b"ana", pack(profile))
    (answer,) = asyncio.run(step.apply([record])).answers
    assert answer.slate is not None
    return answer.slate


@pytest.mark.parametrize("late_ms", [0, 60_000, 3_600_000, 365 * DAY_MS])
def test_a_slate_expires_half_an_hour_after_its_event_arrived_however_old_the_event_is(late_ms: int) -> None:
    slate = slate_of(minute(60) - late_ms, minute(60), minute(60) + 20)
    assert slate.expires_at_ms == minute(60) + SLATE_LIFE_MS > slate.generated_at_ms


def test_a_slate_of_an_event_from_a_clock_that_is_ahead_expires_half_an_hour_after_the_event() -> None:
    assert slate_of(minute(4), NOON, NOON + 20).expires_at_ms == minute(4) + SLATE_LIFE_MS


def test_the_slate_digest_covers_neither_when_a_slate_was_made_nor_until_when_it_may_be_shown() -> None:
    then, replayed = slate_of(NOON, NOON, NOON + 20), slate_of(NOON, minute(60), minute(60) + 7)
    assert then.generated_at_ms != replayed.generated_at_ms and then.expires_at_ms != replayed.expires_at_ms
    assert placeless(then) == placeless(replayed)
