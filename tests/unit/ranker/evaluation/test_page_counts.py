"""Progressive counts: what an exposure is described by is what was counted before it, and no more."""

import numpy as np

from ranker.catalogue.entry import VideoFacts
from ranker.evaluation.page_counts import COLUMNS, OF_ALL, OF_PERSON, PageCounts
from ranker.learning.features import KEY_WORTH, PERSON_WORTH, USUAL_RATES
from ranker.learning.fields import Exposure
from ranker.learning.learner import Open
from ranker.learning.model import Shown
from ranker.profile.counters import NOTHING
from ranker.profile.example import Example
from ranker.profile.outcomes import FINISHED, LIKED
from tests.support.events import minute

NAMES = (*OF_PERSON, *OF_ALL)
Met = tuple[Open, Shown]


def met(user: str, video: str, labels: int = FINISHED, *, is_first: bool = True, tag: str = "food") -> Met:
    opened = Open(user, Example(0, video, minute(1), labels, is_first, "feed", NOTHING), labels)
    return opened, Shown(Exposure(video, VideoFacts(f"c {video}", tag, None, 9000), "feed", 7), NOTHING, minute(1))


def count(counts: PageCounts, *exposures: Met) -> None:
    counts.count([opened for opened, _ in exposures], [shown for _, shown in exposures])


def features(counts: PageCounts, one: Met, *, held: bool = False) -> dict[str, list[float]]:
    """By what is counted: exposures, then the rates of finish, like and skip."""
    row = counts.features([one[0]], [one[1]], held=held)[0]
    assert row.shape == (COLUMNS,)
    found = dict(zip(NAMES, row[:-3].reshape(len(NAMES), 4).tolist(), strict=True))
    return found | {"context": row[-3:].tolist()}


def test_of_what_nobody_met_the_usual_rates_are_expected() -> None:
    found = features(PageCounts(), met("ana", "v1"))
    assert all(np.allclose(found[name], [0, *USUAL_RATES]) for name in NAMES)
    assert found["context"] == [np.log1p(9000), 7, 0]


def test_each_key_counts_the_exposures_that_have_it() -> None:
    counts = PageCounts()
    count(counts, met("ana", "v1"), met("ana", "v2", 0), met("ben", "v1", 0, tag="travel"))
    found = features(counts, met("ana", "v1"))
    exposures = {name: round(float(np.expm1(found[name][0]))) for name in NAMES}
    assert exposures == {
        "person": 2, "person on tag": 2, "person on creator": 1, "video": 2, "creator": 2, "tag": 2, "surface": 3,
    }  # fmt: skip
    overall = (1 + 50 * USUAL_RATES[0]) / 53
    assert np.isclose(found["person"][1], (1 + PERSON_WORTH * overall) / (2 + PERSON_WORTH))
    assert np.isclose(found["video"][1], (1 + KEY_WORTH * overall) / (2 + KEY_WORTH))


def test_what_is_said_later_adds_an_outcome_and_no_exposure() -> None:
    counts = PageCounts()
    count(counts, met("ana", "v1"))
    before = features(counts, met("ana", "v1"))["video"]
    count(counts, met("ana", "v1", LIKED, is_first=False))
    after = features(counts, met("ana", "v1"))["video"]
    assert after[0] == before[0] and after[2] > before[2]


def test_held_only_the_persons_own_counts_stay_as_they_were_when_first_asked() -> None:
    counts = PageCounts()
    count(counts, met("ana", "v1"))
    first = features(counts, met("ana", "v1"), held=True)
    assert first == features(counts, met("ana", "v1"))
    count(counts, met("ana", "v1"), met("ben", "v1"))
    held, now = features(counts, met("ana", "v1"), held=True), features(counts, met("ana", "v1"))
    assert all(held[name][0] == first[name][0] < now[name][0] for name in OF_PERSON)
    assert all(held[name] == now[name] for name in OF_ALL)
