"""Moderation: verdicts from scores, and what a limited video is shown to."""

import pytest
from msgspec.structs import replace

from encoders.base import Content
from encoders.modalities.text import CHARS
from encoders.moderation.policy import (
    LIMITED,
    THRESHOLDS,
    Moderation,
    Thresholds,
    Verdict,
    expiry_of,
    judge_scores,
    labels_of,
)
from ranker.catalogue.catalogue import Catalogue
from ranker.catalogue.entry import FOR_GOOD, restricted_until_ms
from ranker.catalogue.entry import LIMITED as LIMITED_HERE
from ranker.pipeline.post_filter import drop_unavailable
from ranker.pipeline.types import Query, Slate
from ranker.profile.model import Profile
from schemas.messages.fields import DAY_MS, YEAR_2100_MS
from schemas.messages.videos import CatalogueRecord, Encoded, decode_features, encode
from tests.support.catalogues import LATER, catalogue_of, home_feed, ids, kitchen_and_garden
from tests.support.events import NOON, after, encoded, followed, minute, watched, withdrawn


@pytest.mark.parametrize(
    ("scores", "verdict", "reason"),
    [
        ({}, Verdict.ALLOW, ""),
        ({"nudity": 0.1, "toxicity": 0.2}, Verdict.ALLOW, ""),
        ({"nudity": 0.5}, Verdict.LIMIT, "nudity 0.50"),
        ({"nudity": 0.5, "toxicity": 0.99}, Verdict.DROP, "toxicity 0.99"),
        ({"nudity": THRESHOLDS["nudity"].drop}, Verdict.DROP, "nudity 0.75"),
        ({"harm": 0.999, "toxicity": 0.1}, Verdict.LIMIT, "harm 1.00"),  # which is too unsure to drop a video
        ({"unheard of": 1.0}, Verdict.ALLOW, ""),
    ],
)
def test_the_strictest_verdict_counts_and_says_why(scores: dict[str, float], verdict: Verdict, reason: str) -> None:
    found = judge_scores(scores)
    assert (found.verdict, found.reason) == (verdict, reason)


def test_another_score_is_one_more_line_of_the_thresholds() -> None:
    thresholds = {**THRESHOLDS, "violence": Thresholds(0.3, 0.6)}
    assert judge_scores({"violence": 0.7}, thresholds).reason == "violence 0.70"


def test_only_a_limited_video_carries_the_label_that_the_ranker_looks_for() -> None:
    assert LIMITED == LIMITED_HERE
    assert labels_of(judge_scores({"nudity": 0.5, "toxicity": 0.001})) == {"safety:nudity": 0.5, LIMITED: 1.0}
    assert labels_of(judge_scores({"nudity": 0.2})) == {"safety:nudity": 0.2}


@pytest.mark.parametrize(
    ("scores", "at_ms", "days", "expiry"),
    [
        ({"nudity": 0.5}, NOON, 3, {LIMITED: NOON + 3 * DAY_MS}),
        ({"nudity": 0.5}, NOON, 0, {}),  # for good
        ({"nudity": 0.2}, NOON, 3, {}),  # not limited
        ({"nudity": 0.9}, NOON, 3, {}),  # dropped, which is for good
        ({"nudity": 0.5}, YEAR_2100_MS - DAY_MS, 1, {LIMITED: YEAR_2100_MS}),
        ({"nudity": 0.5}, YEAR_2100_MS - DAY_MS + 1, 1, {}),  # no message may carry a later time
    ],
)
def test_a_limit_counts_so_many_days_from_the_uploads_time(
    scores: dict[str, float], at_ms: int, days: int, expiry: dict[str, int]
) -> None:
    assert expiry_of(judge_scores(scores), at_ms, days) == expiry


def test_a_record_without_an_expiry_is_limited_for_good() -> None:
    old = encode(encoded("v7", labels={LIMITED: 1.0}))
    assert b"expires" not in old
    video = decode_features(old)
    assert isinstance(video, Encoded)
    assert restricted_until_ms(video) == FOR_GOOD
    assert restricted_until_ms(replace(video, expires={LIMITED: NOON + 1, "topic:food": NOON})) == NOON + 1
    assert restricted_until_ms(replace(video, labels={"topic:food": 0.5}, expires={LIMITED: NOON + 1})) == 0


def kitchen_with(limited: str, until_ms: int | None = None) -> list[CatalogueRecord]:
    """The kitchen and the garden, one video of which is limited, for good or until a time."""
    expires = {} if until_ms is None else {LIMITED: until_ms}
    return [
        replace(one, labels={LIMITED: 1.0}, expires=expires)
        if isinstance(one, Encoded) and one.video_id == limited
        else one
        for one in kitchen_and_garden()
    ]


async def slate_for(catalogue: Catalogue, profile: Profile, now_ms: int = LATER) -> Slate:
    query = Query("ana", profile.version, now_ms, profile, 0)
    (slate,) = await home_feed(catalogue).recommend([query])
    return slate


async def test_a_limited_video_is_shown_to_followers_of_its_creator_alone() -> None:
    catalogue = catalogue_of(*kitchen_with("cook-01"), watched_by_many=["cook-01"])
    cook = after(watched("ana", "cook-00"), watched("ana", "cook-05", minute(1)))
    slate = await slate_for(catalogue, cook)
    assert "cook-01" not in ids(slate) and ("cook-01", "visible_to_viewer") in slate.dropped
    follower = after(followed("ana", "cook-02", minute(2)), state=cook)  # the same creator's
    assert "cook-01" in ids(await slate_for(catalogue, follower))


async def test_a_video_that_is_limited_after_ranking_does_not_leave() -> None:
    catalogue = catalogue_of(*kitchen_and_garden(), watched_by_many=["cook-01"])
    slate = await slate_for(catalogue, after(watched("ana", "cook-00")))
    assert "cook-01" in ids(slate)
    catalogue.apply(kitchen_with("cook-01"))
    assert "cook-01" not in ids(drop_unavailable(slate, catalogue))


@pytest.mark.parametrize(("until_ms", "shown"), [(LATER - 1, True), (LATER, True), (LATER + 1, False)])
async def test_a_limit_ends_at_exactly_its_time(until_ms: int, shown: bool) -> None:
    catalogue = catalogue_of(*kitchen_with("cook-01", until_ms), watched_by_many=["cook-01"])
    slate = await slate_for(catalogue, after(watched("ana", "cook-00")))
    assert ("cook-01" in ids(slate)) == shown
    assert (("cook-01", "visible_to_viewer") in slate.dropped) == (not shown)


async def test_each_query_of_a_batch_is_judged_by_its_own_time() -> None:
    catalogue = catalogue_of(*kitchen_with("cook-01", LATER), watched_by_many=["cook-01"])
    cook = after(watched("ana", "cook-00"))
    asked = [Query(name, 1, now_ms, cook, 0) for name, now_ms in (("ana", LATER - 1), ("ben", LATER))]
    early, late = await home_feed(catalogue).recommend(asked)
    assert "cook-01" not in ids(early) and "cook-01" in ids(late)


@pytest.mark.parametrize(("until_ms", "shown"), [(LATER, True), (LATER + 1, False)])
async def test_what_is_limited_after_ranking_leaves_only_where_the_limit_counts(until_ms: int, shown: bool) -> None:
    catalogue = catalogue_of(*kitchen_and_garden(), watched_by_many=["cook-01"])
    slate = await slate_for(catalogue, after(watched("ana", "cook-00")))
    catalogue.apply(kitchen_with("cook-01", until_ms))
    assert ("cook-01" in ids(drop_unavailable(slate, catalogue))) == shown


async def test_an_expired_limit_lets_a_video_pass_at_emit_when_another_was_withdrawn() -> None:
    catalogue = catalogue_of(*kitchen_with("cook-01", LATER), watched_by_many=["cook-01", "cook-02"])
    slate = await slate_for(catalogue, after(watched("ana", "cook-00")))
    assert {"cook-01", "cook-02"} <= set(ids(slate))
    catalogue.apply([withdrawn("cook-02", LATER)])
    left = ids(drop_unavailable(slate, catalogue))
    assert "cook-01" in left and "cook-02" not in left


@pytest.mark.parametrize("how", ["limited before ranking", "limited since", "limited again since"])
async def test_a_limited_video_stays_for_followers_of_its_creator_when_another_was_withdrawn(how: str) -> None:
    before = kitchen_and_garden() if how == "limited since" else kitchen_with("cook-01")
    catalogue = catalogue_of(*before, watched_by_many=["cook-01", "cook-02"])
    cook = after(watched("ana", "cook-00"))
    follower = after(followed("ana", "cook-03", minute(1)), state=cook)  # the same creator's
    theirs, other = await slate_for(catalogue, follower), await slate_for(catalogue, cook)
    assert {"cook-01", "cook-02"} <= set(ids(theirs))
    assert ("cook-01" in ids(other)) == (how == "limited since")
    if how != "limited before ranking":
        catalogue.apply(kitchen_with("cook-01", LATER + 1))
    catalogue.apply([withdrawn("cook-02", LATER)])
    left = drop_unavailable(theirs, catalogue)
    assert ids(left) == [one for one in ids(theirs) if one != "cook-02"]
    assert [item.rank for item in left.items] == list(range(1, len(left.items) + 1))
    assert "cook-01" not in ids(drop_unavailable(other, catalogue))


def test_the_same_record_with_another_expiry_is_taken_in() -> None:
    catalogue = catalogue_of(*kitchen_with("cook-01", LATER))
    assert catalogue.apply(kitchen_with("cook-01", LATER)) == 0
    assert catalogue.apply(kitchen_with("cook-01", LATER + 1)) == 1
    assert catalogue.restricted_until_ms[catalogue.row_of["cook-01"]] == LATER + 1


def test_of_the_longest_text_so_much_is_judged_as_is_embedded() -> None:
    judged: list[str | None] = []

    def toxicity(text: str | None) -> float:
        judged.append(text)
        return 0.0

    moderation = Moderation(None, toxicity, THRESHOLDS)  # type: ignore[arg-type]  # all that is asked of it
    moderation.judge([Content(text="\ufdfa" * 200_000), Content(text="short"), Content()])
    assert list(map(len, filter(None, judged))) == [CHARS, len("short")]
