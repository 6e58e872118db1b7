"""Why a video is on a slate, or at which stage it fell away."""

from dataclasses import replace

import pytest

from ranker.catalogue.catalogue import Catalogue
from ranker.pipeline.pipeline import Pipeline
from ranker.pipeline.trace import Trace, trace
from ranker.pipeline.types import Query
from tests.support.catalogues import LATER, catalogue_of, home_feed, kitchen_and_garden
from tests.support.events import after, hid, liked, minute, skipped, watched

PERSON = after(
    watched("ana", "cook-00"),
    liked("ana", "cook-00", minute(1)),
    *(skipped("ana", f"plant-{n:02}", minute(n)) for n in (2, 3)),
)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return catalogue_of(*kitchen_and_garden(), watched_by_many=["cook-07"])


async def traced(catalogue: Catalogue, video_id: str, pipeline: Pipeline | None = None) -> Trace:
    return await trace(pipeline or home_feed(catalogue), Query("ana", PERSON.version, LATER, PERSON), video_id)


async def test_a_video_of_the_slate_has_its_rank_its_sources_and_what_raised_its_score(catalogue: Catalogue) -> None:
    (slate,) = await home_feed(catalogue).recommend([Query("ana", PERSON.version, LATER, PERSON)])
    for item in slate.items:
        found = await traced(catalogue, item.video_id)
        assert found.item == item and found.summary().startswith(f"{item.video_id} has rank {item.rank}")
        assert {*found.sources} == {*item.sources}
        assert found.score == pytest.approx(item.score, abs=1e-5)
    best = await traced(catalogue, slate.items[0].video_id)
    assert best.place == 1 and best.contributions["similar"] > 0
    assert [*best.contributions.values()] == sorted(best.contributions.values(), reverse=True)
    drawn = next(item for item in slate.items if item.propensity < 1)
    assert "drawn by chance" in (await traced(catalogue, drawn.video_id)).summary()


async def test_a_video_that_a_filter_rejected_names_the_filter(catalogue: Catalogue) -> None:
    found = await traced(catalogue, "cook-00")
    assert (found.dropped_by, found.item, found.place) == ("unseen", None, None)
    assert found.summary() == "cook-00 was rejected by the filter unseen."
    assert [one.did for one in found.behind] == ["watched", "liked"]
    assert {one.video_id for one in found.behind} == {"cook-00"}


async def test_a_video_that_no_source_returned_names_the_sources(catalogue: Catalogue) -> None:
    feed = home_feed(catalogue)
    alone = replace(feed, sources=feed.sources[1:2], size=1)  # trending
    found = await traced(catalogue, "plant-40", pipeline=alone)
    assert found.summary() == "plant-40 was returned by no source: not by trending."


async def test_a_video_with_too_low_a_score_names_what_sank_it(catalogue: Catalogue) -> None:
    found = await traced(catalogue, "plant-05")
    assert found.item is None and found.place is not None and found.last is not None
    assert found.place > 20
    assert f"plant-05 has place {found.place} of {found.candidates} candidates by score: " in found.summary()
    assert f"below {found.last[0].video_id}, the lowest that is shown, most by " in found.summary()
    assert "skipping" in found.summary() or "similar" in found.summary()


async def test_a_video_that_is_not_there_is_said_to_be_so(catalogue: Catalogue) -> None:
    assert (await traced(catalogue, "nothing")).summary() == "nothing is not in the catalogue, or was withdrawn."


async def test_re_ranking_is_named_where_the_score_would_have_been_enough(catalogue: Catalogue) -> None:
    (slate,) = await home_feed(catalogue).recommend([Query("ana", PERSON.version, LATER, PERSON)])
    shown = {item.video_id for item in slate.items}
    kept_out = [name for name in (f"cook-{n:02}" for n in range(1, 40)) if name not in shown]
    sentences = [(await traced(catalogue, name)).summary() for name in kept_out]
    assert any("re-ranking kept it out" in one for one in sentences)


async def test_the_events_behind_a_score_and_behind_a_filter_are_named(catalogue: Catalogue) -> None:
    found = await traced(catalogue, "plant-05")
    assert found.rank_logit == pytest.approx(sum(found.contributions.values()), abs=1e-5)
    near = await traced(catalogue, "cook-07")
    assert [(one.did, one.video_id, one.at_ms) for one in near.behind] == [
        ("watched", "cook-00", minute(0)),
        ("liked", "cook-00", minute(1)),
    ]
    hider = after(hid("ana", "cook-03", minute(5), scope="tag"), state=PERSON)
    hidden = await trace(home_feed(catalogue), Query("ana", hider.version, LATER, hider), "cook-07")
    assert hidden.dropped_by == "not_hidden"
    assert [(one.did, one.video_id) for one in hidden.behind] == [("hid", "cook-03")]


async def test_only_what_the_filter_went_by_is_behind_it(catalogue: Catalogue) -> None:
    hider = after(hid("ana", "cook-03", minute(5), scope="tag"), state=PERSON)
    seen = await trace(home_feed(catalogue), Query("ana", hider.version, LATER, hider), "cook-00")
    assert seen.dropped_by == "unseen"
    assert {one.video_id for one in seen.behind} == {"cook-00"}, "the hide played no part"
    limited = catalogue_of(*kitchen_and_garden())
    limited.restricted_until_ms[limited.row_of["cook-00"]] = 2**62
    kept_away = await trace(home_feed(limited), Query("ana", PERSON.version, LATER, PERSON), "cook-00")
    assert (kept_away.dropped_by, kept_away.behind) == ("visible_to_viewer", ())
