"""The safety gate: verdicts from scores, and what a limited video is shown to."""

import pytest
from msgspec.structs import replace

from encoders.safety import GATE, LIMITED, Thresholds, Verdict, judged, labels_of
from ranker.candidates import Query, Slate
from ranker.catalogue import Catalogue
from ranker.entry import LIMITED as LIMITED_HERE
from ranker.index import ExactIndex
from ranker.pipeline import home, may_show
from ranker.profile import Profile
from schemas.videos import Encoded, Features
from tests.kitchen import LATER, catalogue_of, ids, kitchen_and_garden
from tests.stories import after, followed, minute, watched


@pytest.mark.parametrize(
    ("scores", "verdict", "reason"),
    [
        ({}, Verdict.ALLOW, ""),
        ({"nudity": 0.1, "toxicity": 0.2}, Verdict.ALLOW, ""),
        ({"nudity": 0.5}, Verdict.LIMIT, "nudity 0.50"),
        ({"nudity": 0.5, "toxicity": 0.99}, Verdict.DROP, "toxicity 0.99"),
        ({"nudity": GATE["nudity"].drop}, Verdict.DROP, "nudity 0.75"),
        ({"unheard of": 1.0}, Verdict.ALLOW, ""),
    ],
)
def test_the_strictest_verdict_counts_and_says_why(scores: dict[str, float], verdict: Verdict, reason: str) -> None:
    found = judged(scores)
    assert (found.verdict, found.reason) == (verdict, reason)


def test_another_score_is_one_more_line_of_the_gate() -> None:
    gate = {**GATE, "violence": Thresholds(0.3, 0.6)}
    assert judged({"violence": 0.7}, gate).reason == "violence 0.70"


def test_only_a_limited_video_carries_the_label_that_the_ranker_looks_for() -> None:
    assert LIMITED == LIMITED_HERE
    assert labels_of(judged({"nudity": 0.5, "toxicity": 0.001})) == {"safety:nudity": 0.5, LIMITED: 1.0}
    assert labels_of(judged({"nudity": 0.2})) == {"safety:nudity": 0.2}


def kitchen_with(limited: str) -> list[Features]:
    """The kitchen and the garden, one video of which is limited."""
    return [
        replace(one, labels={LIMITED: 1.0}) if isinstance(one, Encoded) and one.video_id == limited else one
        for one in kitchen_and_garden()
    ]


async def slate_for(catalogue: Catalogue, profile: Profile) -> Slate:
    query = Query("ana", profile.version, LATER, profile, 0)
    (slate,) = await home(ExactIndex(catalogue), catalogue).answer([query])
    return slate


async def test_a_limited_video_is_shown_to_followers_of_its_creator_alone() -> None:
    catalogue = catalogue_of(*kitchen_with("cook-01"), watched_by_many=["cook-01"])
    cook = after(watched("ana", "cook-00"), watched("ana", "cook-05", minute(1)))
    slate = await slate_for(catalogue, cook)
    assert "cook-01" not in ids(slate) and ("cook-01", "fit_for") in slate.dropped
    follower = after(followed("ana", "cook-02", minute(2)), state=cook)  # the same creator's
    assert "cook-01" in ids(await slate_for(catalogue, follower))


async def test_a_video_that_is_limited_after_ranking_does_not_leave() -> None:
    catalogue = catalogue_of(*kitchen_and_garden(), watched_by_many=["cook-01"])
    slate = await slate_for(catalogue, after(watched("ana", "cook-00")))
    assert "cook-01" in ids(slate)
    catalogue.apply(kitchen_with("cook-01"))
    assert "cook-01" not in ids(may_show(slate, catalogue))
