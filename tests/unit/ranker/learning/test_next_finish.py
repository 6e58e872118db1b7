"""The next finish among all videos: what is learned of a world, in which order, and with what it starts."""

import numpy as np

from ranker.catalogue.entry import VideoFacts
from ranker.learning.catalogue_state import Met, Moment
from ranker.learning.engagement import HOUR_MS
from ranker.learning.next_features import NAMES
from ranker.learning.next_finish import NextFinish
from tests.support.events import NOON, minute

CREATORS, EACH = 20, 6
VIDEOS = [f"c{creator} v{number}" for creator in range(CREATORS) for number in range(EACH)]


def loyal_world(people: int, seed: int, apart: int = 1) -> tuple[NextFinish, list[int]]:
    """People who finish three videos of one creator each, minutes apart; and how far up the third stood, by person."""
    model, chance, places = NextFinish(), np.random.default_rng(seed), []
    for video_id in VIDEOS:
        model.put(video_id, VideoFacts(video_id.split()[0], None, None, 20_000))
    for person in range(people):
        creator = int(chance.integers(CREATORS))
        recent: list[Met] = []
        for step, number in enumerate(chance.permutation(EACH)[:3].tolist()):
            row = creator * EACH + number
            moment = Moment("feed", minute(apart * (3 * person + step)), recent)
            prospect = model.prospect(moment)
            if step == 2:
                places.append(int((prospect.scores > prospect.scores[row]).sum()))
            met = [VIDEOS.index(one.video_id) for one in recent]
            model.finish(prospect, row, met)
            model.meet(row, moment, is_finished=True)
            recent = [*recent, Met(VIDEOS[row], True)]
    return model, places


def test_it_learns_that_people_stay_with_a_creator():
    model, places = loyal_world(150, seed=2)
    assert np.mean(places[-50:]) < EACH  # the creator's are on top
    assert model.softmax.weights[NAMES.index("creator finished")] > 0.5


def test_the_same_exposures_give_the_same_weights():
    one, two = (loyal_world(20, seed=4)[0].softmax for _ in range(2))
    assert one.weights.tobytes() == two.weights.tobytes()
    assert one.information.tobytes() == two.information.tobytes()


def test_where_few_exposures_come_nothing_is_forgotten_however_long_it_takes():
    each_minute, each_month = (loyal_world(20, seed=4, apart=minutes)[0] for minutes in (1, 30 * 24 * 60))
    assert each_month.softmax.weights.tobytes() == each_minute.softmax.weights.tobytes()
    assert each_month.softmax.information.tobytes() == each_minute.softmax.information.tobytes()


def test_before_it_learned_all_videos_are_alike():
    model = NextFinish()
    for video_id in VIDEOS:
        model.put(video_id, VideoFacts("c"))
    model.meet(0, Moment("feed", NOON), is_finished=True)
    assert not model.prospect(Moment("feed", NOON)).scores.any()


def test_to_predict_changes_nothing():
    model, _ = loyal_world(10, seed=1)
    moment = Moment("feed", NOON + HOUR_MS, [Met(VIDEOS[0], True)])
    weights = model.softmax.weights.copy()
    assert model.prospect(moment).scores.tolist() == model.prospect(moment).scores.tolist()
    assert model.softmax.weights.tolist() == weights.tolist()


def test_what_the_person_had_met_before_is_not_learned_from():
    model, _ = loyal_world(5, seed=1)
    weights, moment = model.softmax.weights.copy(), Moment("feed", NOON + HOUR_MS)
    model.finish(model.prospect(moment), 3, [1, 3])
    assert model.softmax.weights.tolist() == weights.tolist()
    model.finish(model.prospect(moment), 3, [1, 2])
    assert model.softmax.weights.tolist() != weights.tolist()


def test_a_video_that_comes_later_is_ranked_from_then_on():
    model, _ = loyal_world(30, seed=3)
    row = model.put("late", VideoFacts("c0", None, None, 20_000))
    prospect = model.prospect(Moment("feed", NOON + HOUR_MS, [Met("c0 v1", True)]))
    assert len(prospect.scores) == len(VIDEOS) + 1
    assert prospect.table[NAMES.index("creator finished"), row] > 0


def test_thousands_of_videos_get_room_and_keep_their_rows():
    model = NextFinish()
    rows = [model.put(f"v{number}", VideoFacts(f"c{number % 7}")) for number in range(10_000)]
    model.meet(9_999, Moment("feed", NOON), is_finished=True)
    model.meet(0, Moment("feed", NOON, [Met("v9999", True)]), is_finished=False)
    assert rows == [*range(10_000)]
    assert model.put("v77", VideoFacts("other")) == 77
    together = model.prospect(Moment("feed", NOON, [Met("v9999", True)])).table[NAMES.index("met together")]
    assert np.flatnonzero(together).tolist() == [0]
