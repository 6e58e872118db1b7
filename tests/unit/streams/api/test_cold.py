"""Slates for people of whom nothing is known."""

import pytest

from schemas.messages.recommendations import Recommendation, decode_recommendation
from schemas.topics import FEEDBACK
from streams.api.cold import REFRESH_MS, VARIANTS, ColdSlates
from streams.api.slate_store import StoredSlate
from streams.kafka.records import partition_of
from tests.support.api import Api
from tests.support.catalogues import kitchen_and_garden
from tests.support.events import NOON, withdrawn

NOW = NOON + REFRESH_MS * 1_000_000


@pytest.fixture
def cold(api: Api) -> ColdSlates:
    api.catalogue.state.apply_features(kitchen_and_garden())
    return ColdSlates(api.catalogue, api.settings.partitions)


async def made(cold: ColdSlates, user_id: str, now_ms: int = NOW) -> Recommendation:
    message = await cold.slate(user_id, now_ms)
    assert message is not None
    return decode_recommendation(message)


async def test_a_stranger_gets_a_slate_by_the_same_feed(api: Api, cold: ColdSlates) -> None:
    slate = await made(cold, "ana")
    assert len(slate.items) == api.settings.slate_size and slate.user_id == "ana"
    assert slate.models["policy"] == api.catalogue.state.feed.policy
    assert slate.generated_at_ms > NOON and slate.expires_at_ms > NOW


async def test_it_reflects_no_event_and_is_older_than_any_slate(api: Api, cold: ColdSlates) -> None:
    slate, partition = await made(cold, "ana"), partition_of(b"ana", api.settings.partitions)
    assert (slate.version, slate.trigger.partition, slate.trigger.offset) == (0, partition, -1)
    assert slate.trigger.topic == FEEDBACK.full(api.settings.prefix)
    message = await cold.slate("ana", NOW)
    assert message is not None and not StoredSlate.of(message).reflects(partition, 0)


async def test_it_stays_for_some_seconds_and_is_somebodys_own(cold: ColdSlates) -> None:
    first, again = await made(cold, "ana"), await made(cold, "ana", NOW + REFRESH_MS - 1)
    assert first == again
    assert (await made(cold, "ana", NOW + REFRESH_MS)).recommendation_id != first.recommendation_id
    assert (await made(cold, "ben")).recommendation_id != first.recommendation_id


async def test_strangers_explore_more_than_one_draw(cold: ColdSlates) -> None:
    slates = [await made(cold, f"user-{number}") for number in range(8 * VARIANTS)]
    drawn = {item.video_id for slate in slates for item in slate.items if item.propensity < 1}
    assert len(drawn) > 2


async def test_a_withdrawn_video_is_on_no_cold_slate_from_then_on(api: Api, cold: ColdSlates) -> None:
    shown = (await made(cold, "ana")).items[0].video_id
    api.catalogue.state.apply_features([withdrawn(shown, NOW)])
    assert shown not in [item.video_id for item in (await made(cold, "ana")).items]


async def test_without_videos_none_can_be_made(api: Api) -> None:
    cold = ColdSlates(api.catalogue, api.settings.partitions)
    assert await cold.slate("ana", NOW) is None
    api.catalogue.state.apply_features(kitchen_and_garden())
    assert await cold.slate("ana", NOW) is None  # for as long as the answer is kept
    assert await cold.slate("ana", NOW + REFRESH_MS) is not None
    api.catalogue.is_read = False
    assert await cold.slate("ana", NOW + 2 * REFRESH_MS) is None


async def test_the_route_gives_it(api: Api, cold: ColdSlates) -> None:
    api.cold.message = await cold.slate("näh/m", NOW)
    answer = (await api.http.get("/v1/users/n%C3%A4h%2Fm/slate?after=0:0")).json()
    assert answer["cold"] and not answer["reflects"] and answer["slate"]["version"] == 0
