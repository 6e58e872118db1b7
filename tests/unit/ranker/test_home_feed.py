"""The home feed end to end: what is recommended, what is not, and why."""

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from ranker.catalogue.catalogue import Catalogue
from ranker.feeds.home import REASONS
from ranker.pipeline.pipeline import Pipeline
from ranker.pipeline.post_filter import drop_unavailable
from ranker.pipeline.reasons import EXPLORED
from ranker.pipeline.types import Query, Slate
from ranker.profile.model import EMPTY, Profile
from ranker.retrieval.exact import ExactIndex
from ranker.retrieval.index import Hits, IndexedVideo, IndexUnavailable, SearchFilter
from schemas.messages.feedback import Feedback
from schemas.messages.recommendations import Item
from tests.support.catalogues import LATER, catalogue_of, home_feed, ids, kitchen_and_garden
from tests.support.events import (
    after,
    encoded,
    followed,
    hid,
    liked,
    minute,
    shown,
    skipped,
    uploaded,
    watched,
    withdrawn,
)


def asking(profile: Profile = EMPTY, user_id: str = "ana", seed: int = 0) -> Query:
    return Query(user_id, profile.version, LATER, profile, seed)


async def recommend(catalogue: Catalogue, profile: Profile = EMPTY, *, size: int = 20, user_id: str = "ana") -> Slate:
    (slate,) = await home_feed(catalogue, size=size).recommend([asking(profile, user_id)])
    return slate


async def test_who_watches_cooking_gets_mostly_cooking() -> None:
    catalogue = catalogue_of(*kitchen_and_garden())
    cook = after(*(watched("ana", f"cook-{i:02}", minute(i)) for i in range(5)))
    found = ids(await recommend(catalogue, cook))
    assert len(found) == 20
    assert sum(name.startswith("cook") for name in found) >= 14


async def test_two_interests_are_both_served() -> None:
    catalogue = catalogue_of(*kitchen_and_garden())
    both = after(watched("ana", "cook-00"), watched("ana", "plant-00", minute(1)))
    found = ids(await recommend(catalogue, both))
    assert min(sum(name.startswith(kind) for name in found) for kind in ("cook", "plant")) >= 5


async def test_a_skipped_video_does_not_come_back_and_the_slate_says_why() -> None:
    catalogue = catalogue_of(*kitchen_and_garden())
    ana = after(watched("ana", "cook-00"), skipped("ana", "cook-01", minute(1)))
    unmarked = msgspec.structs.replace(ana, seen=b"")  # as after 512 more videos
    slate = await recommend(catalogue, unmarked)
    assert "cook-01" not in ids(slate)
    assert ("cook-01", "not_skipped") in slate.dropped


async def test_a_seen_video_does_not_come_back_even_if_only_its_impression_is_known() -> None:
    catalogue = catalogue_of(*kitchen_and_garden(), watched_by_many=["cook-07"])
    assert "cook-07" in ids(await recommend(catalogue))
    slate = await recommend(catalogue, after(shown("ana", "cook-07")))
    assert "cook-07" not in ids(slate)
    assert ("cook-07", "unseen") in slate.dropped


async def test_a_withdrawn_video_does_not_come_back_until_it_is_uploaded_again() -> None:
    catalogue = catalogue_of(*kitchen_and_garden(), watched_by_many=["cook-07"])
    catalogue.apply([withdrawn("cook-07", LATER)])
    assert "cook-07" not in ids(await recommend(catalogue))
    catalogue.apply([encoded("cook-07", LATER)])
    assert "cook-07" not in ids(await recommend(catalogue))
    catalogue.apply([encoded("cook-07", LATER + 1)])
    catalogue.advance(LATER + 1000)
    assert "cook-07" in ids(await recommend(catalogue))


@pytest.mark.parametrize(
    ("scope", "gone"),
    [("video", ["cook-01"]), ("creator", ["cook-00", "cook-01", "cook-02", "cook-03"]), ("tag", ["cook-50"])],
)
async def test_what_is_hidden_stays_away_with_its_scope(scope: str, gone: list[str]) -> None:
    catalogue = catalogue_of(*kitchen_and_garden(15), watched_by_many=["cook-01"])
    ana = after(hid("ana", "cook-01", scope=scope))  # type: ignore[arg-type]  # a test's parameter is any string
    slate = await recommend(catalogue, msgspec.structs.replace(ana, seen=b""), size=30)
    assert not set(gone) & set(ids(slate))
    assert ("cook-01", "not_hidden") in slate.dropped
    if scope == "tag":
        assert all(name.startswith("plant") for name in ids(slate))


async def test_nobody_is_shown_their_own_videos() -> None:
    catalogue = catalogue_of(*kitchen_and_garden(10))
    slate = await recommend(catalogue, user_id="by-cook-0", size=30)
    assert {"cook-00", "cook-01", "cook-02", "cook-03"}.isdisjoint(ids(slate))
    assert ("cook-00", "not_own") in slate.dropped


async def test_a_stranger_gets_a_whole_slate_of_what_is_popular_and_fresh() -> None:
    catalogue = catalogue_of(*kitchen_and_garden(), watched_by_many=["plant-40", "cook-41"])
    slate = await recommend(catalogue)
    assert len(slate.items) == 20
    assert {"plant-40", "cook-41"} < set(ids(slate)[:4])
    assert not slate.exhausted and not slate.degraded


async def test_ranks_have_no_gaps_and_no_video_is_shown_twice() -> None:
    catalogue = catalogue_of(*kitchen_and_garden(), watched_by_many=["cook-03", "plant-04"])
    slate = await recommend(catalogue, after(watched("ana", "cook-02"), liked("ana", "plant-01", minute(1))))
    assert [item.rank for item in slate.items] == list(range(1, 21))
    assert len(set(ids(slate))) == 20
    for item in slate.items:
        msgspec.convert(msgspec.to_builtins(item), Item)  # as contracts bound it
        assert all(0 < p < 1 for p in item.p.values()) and set(item.p) == {"finish", "like", "skip"}
        assert np.isfinite(item.score) and item.sources and item.reasons


async def test_reasons_name_what_they_refer_to_and_come_from_the_feeds_table() -> None:
    catalogue = catalogue_of(*kitchen_and_garden(), watched_by_many=["plant-59"])
    slate = await recommend(catalogue, after(watched("ana", "cook-02"), followed("ana", "cook-40", minute(1))))
    reasons = {item.video_id: item.reasons for item in slate.items}
    codes = {reason.code for reason in REASONS} | {EXPLORED[0].code}
    assert {reason.code for because in reasons.values() for reason in because} <= codes
    near = [r for because in reasons.values() for r in because if r.code == "similar_to"]
    assert near and all(r.video_id == "cook-02" and 0 < r.weight <= 1 for r in near)
    first = (await recommend(catalogue)).items[0]
    assert first.video_id == "plant-59" and first.reasons[0].code == "trending"


async def test_two_places_are_drawn_among_the_fresh_and_say_with_which_chance() -> None:
    catalogue = catalogue_of(*kitchen_and_garden())
    ana = after(watched("ana", "cook-02"))
    slate = await recommend(catalogue, ana)
    drawn = [item for item in slate.items if item.propensity < 1]
    assert [item.rank for item in drawn] == [8, 16]
    assert all("fresh" in item.sources and item.reasons[0].code == "explore" for item in drawn)
    other = await home_feed(catalogue).recommend([asking(ana, seed=s) for s in range(30)])
    assert len({ids(one)[7] for one in other}) > 5


async def test_a_small_catalogue_gives_what_it_has_and_says_exhausted() -> None:
    catalogue = catalogue_of(*kitchen_and_garden(3))
    slate = await recommend(catalogue, after(watched("ana", "cook-00")))
    assert sorted(ids(slate)) == ["cook-01", "cook-02", "plant-00", "plant-01", "plant-02"]
    assert slate.exhausted and not slate.degraded


async def test_when_all_is_seen_the_oldest_seen_come_back_and_the_slate_says_so() -> None:
    catalogue = catalogue_of(*kitchen_and_garden(4))
    order = ["plant-01", "cook-01", "cook-00", "cook-02", "cook-03", "plant-00", "plant-03", "plant-02"]
    events: list[Feedback] = [watched("ana", name, minute(i)) for i, name in enumerate(order)]
    events += [skipped("ana", "cook-01", minute(60))]
    slate = await recommend(catalogue, after(*events), size=3)
    assert sorted(ids(slate)) == ["cook-00", "cook-02", "plant-01"]  # cook-01 was skipped
    assert slate.exhausted and slate.degraded == ("unseen",)


async def test_a_slate_is_empty_only_if_there_is_nothing_at_all() -> None:
    assert (await recommend(Catalogue())).items == []
    catalogue = catalogue_of(*kitchen_and_garden(1))
    slate = await recommend(catalogue, after(skipped("ana", "cook-00"), skipped("ana", "plant-00", minute(1))))
    assert slate.items == [] and slate.exhausted


async def test_who_saw_what_the_sources_offer_gets_the_rest_of_the_catalogue() -> None:
    catalogue = catalogue_of(*kitchen_and_garden(100))
    seen = after(*(shown("ana", f"{kind}-{i:02}", minute(i)) for i in range(90) for kind in ("cook", "plant")))
    slate = await recommend(catalogue, seen)
    assert len(slate.items) == 20 and not slate.exhausted
    assert all(item.sources == ["fill"] for item in slate.items)


async def test_videos_without_vectors_or_creators_can_be_shown() -> None:
    bare = [msgspec.structs.replace(encoded(f"v{i:02}"), vectors={}, creator_id=None) for i in range(30)]
    slate = await recommend(catalogue_of(*bare), after(watched("ana", "v00")))
    assert len(slate.items) == 20


async def test_a_video_withdrawn_at_the_last_moment_leaves_a_finished_slate_and_ranks_close() -> None:
    catalogue = catalogue_of(*kitchen_and_garden())
    slate = await recommend(catalogue)
    assert drop_unavailable(slate, catalogue) is slate
    gone = [slate.items[0].video_id, slate.items[9].video_id]
    catalogue.apply([withdrawn(name, LATER) for name in gone])
    left = drop_unavailable(slate, catalogue)
    assert ids(left) == [name for name in ids(slate) if name not in gone]
    assert [item.rank for item in left.items] == list(range(1, 19))


class Silent:
    """An index that does not answer."""

    name = "silent"

    async def upsert(self, videos: Sequence[IndexedVideo]) -> None:
        pass

    async def remove(self, video_ids: Sequence[str]) -> None:
        pass

    async def near(self, vectors: NDArray[np.float32], k: int, where: SearchFilter | None = None) -> list[Hits]:
        raise IndexUnavailable("silent index: no answer; start it")

    async def count(self) -> int:
        return 0

    async def close(self) -> None:
        pass


async def test_without_the_index_slates_still_go_out_and_say_what_was_missing() -> None:
    catalogue = catalogue_of(*kitchen_and_garden())
    ana = asking(after(watched("ana", "cook-02")))
    new = asking(user_id="ben")
    slates = await home_feed(catalogue, Silent()).recommend([ana, new])
    assert [len(slate.items) for slate in slates] == [20, 20]
    assert [slate.degraded for slate in slates] == [("vector_index",), ()]


class Growing(ExactIndex):
    """An index that answers while videos are uploaded whose ids sort before all others."""

    async def near(self, vectors: NDArray[np.float32], k: int, where: SearchFilter | None = None) -> list[Hits]:
        hits = await super().near(vectors, k, where)
        self.catalogue.apply([encoded(f"a-{self.catalogue.size}-{i}", LATER) for i in range(5)])
        return hits


async def test_what_was_skipped_stays_away_although_the_catalogue_grows_meanwhile() -> None:
    catalogue = catalogue_of(*kitchen_and_garden())
    skips = [skipped("ana", f"cook-{i:02}", minute(i)) for i in range(1, 30)]
    ana = msgspec.structs.replace(after(watched("ana", "cook-00"), *skips), seen=b"")
    (slate,) = await home_feed(catalogue, Growing(catalogue)).recommend([asking(ana)])
    assert not {f"cook-{i:02}" for i in range(1, 30)} & set(ids(slate))


async def test_timings_come_from_the_clock_that_is_handed_in() -> None:
    catalogue = catalogue_of(*kitchen_and_garden())
    ticks = iter((1.0, 1.5, 2.5, 4.5))
    pipeline: Pipeline = home_feed(catalogue, clock=lambda: next(ticks))
    (slate,) = await pipeline.recommend([asking()])
    assert slate.timings_ms == {"retrieve": 500.0, "score": 1000.0, "select": 2000.0}


def test_an_upload_is_not_needed_to_know_a_video_but_its_features_are() -> None:
    catalogue = Catalogue()
    assert catalogue.rows(["v1"]).tolist() == []
    assert catalogue.apply([encoded(uploaded("v1").video_id), encoded("v1")]) == 1  # the repeat changes nothing
    assert len(catalogue) == catalogue.size == 1


async def test_a_blank_tag_that_was_hidden_hides_nothing_and_a_tag_hides_in_all_its_forms() -> None:
    catalogue = Catalogue()
    catalogue.apply(
        [
            encoded("hidden", tags=["", " ", "Street Food"]),
            encoded("blank", tags=[" ", ""]),
            encoded("alike", tags=["\uff53treet  food"]),
            encoded("other", tags=["garden"]),
        ]
    )
    catalogue.advance(LATER)
    ana = after(hid("ana", "hidden", scope="tag"))
    (slate,) = await home_feed(catalogue).recommend([asking(ana)])
    assert sorted(item.video_id for item in slate.items) == ["blank", "other"]
