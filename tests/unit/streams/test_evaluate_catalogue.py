"""Whom the evaluation of the whole catalogue counts, and that each is predicted before it is learned from."""

import numpy as np

from ranker.catalogue.entry import VideoFacts
from ranker.learning.learner import LearnedBatch, Open, outcomes_of
from ranker.learning.model import Prediction
from ranker.profile.counters import NOTHING
from ranker.profile.example import Example
from ranker.profile.outcomes import FINISHED, LIKED
from streams.operations.evaluate_catalogue import FINISH, LIKE, OURS, CatalogueEvaluation, Wanted
from tests.support.events import minute

SPLIT = minute(100)
VIDEOS = [f"v{number}" for number in range(20)]
POPULARITY = FINISH.popularity
UNUSED = Prediction(*(np.zeros(0, np.int64), *([np.zeros(0)] * 3)))


def event(user_id: str, video_id: str, at: float, labels: int = FINISHED, *, is_first: bool = True) -> Open:
    return Open(user_id, Example(0, video_id, minute(at), labels, is_first, "feed", NOTHING), labels)


def evaluated(*events: Open, wanted: Wanted = FINISH) -> CatalogueEvaluation:
    run = CatalogueEvaluation({video: VideoFacts(f"c {video}") for video in VIDEOS}, SPLIT, wanted=wanted)
    for one in events:
        run.take(LearnedBatch([one], [], UNUSED, outcomes_of([one])))
    return run


def places(*events: Open, name: str = POPULARITY) -> list[float]:
    found = evaluated(*events).ranks().models[name]
    return [float(place) for place in found]


def test_the_first_finish_after_the_split_counts_of_who_finished_something_before():
    ana = [event("ana", "v1", 1), event("ana", "v2", 101, 0), event("ana", "v3", 102), event("ana", "v4", 103)]
    newcomer = [event("ben", "v5", 101), event("cy", "v6", 2, 0), event("cy", "v7", 101)]
    assert len(places(*ana, *newcomer)) == 1


def test_what_the_person_had_met_is_not_ranked():
    before = [event("ben", "v1", 1), event("ben", "v2", 2), event("dan", "v1", 3), event("ana", "v1", 4)]
    (place,) = places(*before, event("ana", "v2", 101))
    assert place == 0  # only v1 was finished more often, and ana knows it


def test_who_finishes_what_they_had_met_is_left_out():
    assert (
        places(event("ana", "v1", 1), event("ana", "v2", 2, 0), event("ana", "v2", 101), event("ana", "v3", 102)) == []
    )


def test_popularity_is_that_before_the_split():
    crowd = [event(f"p{n}", "v2", 100 + n) for n in range(9)]
    before = [event("ana", "v1", 1), event("ben", "v3", 2)]
    frozen, running = (
        places(*before, *crowd, event("ana", "v2", 110), name=name) for name in (POPULARITY, "finishes so far")
    )
    assert frozen == [1 + (18 - 1) / 2]  # behind v3; the other 18 but v1 were finished never
    assert running == [0]


def test_each_is_ranked_before_anything_of_it_is_learned():
    before = [event(f"p{n}", f"v{n % 5}", n) for n in range(50)]
    last = event("p1", "v9", 101)
    alone, followed = (
        evaluated(*before, last),
        evaluated(*before, last, *[event("p2", "v9", 102 + n) for n in range(9)]),
    )
    assert alone.ranks().ours[0] == followed.ranks().ours[0] > 0
    assert alone.ranks().models["finishes so far"][0] == 4 + (15 - 1) / 2  # p1 had met v1


def test_a_finish_that_is_told_after_its_second_is_counted_but_not_ranked():
    told = [event("ana", "v1", 1, LIKED), event("ana", "v1", 2, FINISHED, is_first=False)]
    run = evaluated(*told, event("ana", "v2", 101, LIKED), event("ana", "v2", 102, FINISHED, is_first=False))
    assert len(run.ranks().ours) == 0
    everywhere = run.model.state.engagement.everywhere
    assert (everywhere.exposures.in_all.sum(), everywhere.finishes.in_all.sum()) == (2, 2)
    assert len(evaluated(*told, event("ana", "v2", 101)).ranks().ours) == 1


def test_a_video_is_young_until_an_hour_after_it_was_met_first():
    before = [event("ana", "v1", 1), event("ben", "v1", 2), event("cy", "v1", 3)]
    seen = [event("dan", "v2", 40, 0), event("dan", "v3", 99, 0)]
    run = evaluated(*before, *seen, event("ana", "v2", 101), event("ben", "v3", 102), event("cy", "v4", 103))
    assert run.ranks().is_young.tolist() == [False, True, True]


def test_on_the_surface_only_what_was_met_there_is_ranked():
    before = [event("ana", "v1", 1), event("ben", "v2", 2), event("ben", "v3", 3)]
    ranks = evaluated(*before, event("ana", "v3", 101), event("ben", "v9", 102)).ranks()
    assert ranks.on_surface[POPULARITY].tolist() == [0.5, float("inf")]
    assert set(ranks.on_surface) == set(ranks.models) and ranks.name == OURS


def test_where_likes_are_wanted_each_counts_of_who_had_liked_something_before():
    ana = [event("ana", "v1", 1, LIKED), event("ana", "v2", 101, LIKED), event("ana", "v3", 102, FINISHED)]
    ben = [event("ben", "v1", 103, LIKED), event("ben", "v4", 104, LIKED), event("ben", "v1", 105, LIKED)]
    cy = [event("cy", "v1", 2, FINISHED), event("cy", "v5", 106, LIKED), event("cy", "v6", 107, LIKED)]
    ranks = evaluated(*ana, *ben, *cy, event("ana", "v7", 108, LIKED), wanted=LIKE).ranks()
    assert ranks.people.tolist() == [0, 1, 2, 0]  # v2, v4, v6, v7: not the first likes of ben and cy, nor v1 again
    assert ranks.models["likes before the split"].tolist() == [9, 9, 8.5, 8]
    assert "likes so far" in ranks.models and not any("finishes" in name for name in ranks.models)
