"""How different the videos of slates are: counted of every batch, compared of a slate now and then."""

import pytest
from msgspec.structs import replace

from ranker.catalogue.catalogue import Catalogue
from schemas.messages.recommendations import Recommendation
from streams.kafka.records import Record
from streams.metrics.measures import Measures
from streams.ranking.diversity import INTERVAL_S, WINDOW, SlateDiversity
from streams.ranking.step import Answer
from tests.support.catalogues import catalogue_of, kitchen_and_garden
from tests.support.events import NOON, encoded, watched
from tests.support.kafka_logs import good_log, put_event, slate_for
from tests.support.metrics import page_of, sum_of

COOK, PLANT = [f"cook-{n:02}" for n in range(10)], [f"plant-{n:02}" for n in range(10)]


def slate(*video_ids: str, drawn: int = 0) -> Recommendation:
    log = good_log()
    made = slate_for(log, "ana", 1, put_event(log, watched("ana", "v0")), video_ids)
    items = [replace(item, propensity=0.2 if at < drawn else 1.0) for at, item in enumerate(made.items)]
    return replace(made, items=items)


def answers(*slates: Recommendation | None) -> list[Answer]:
    return [Answer(Record("freshet.profiles.v1", 0, at, NOON, b"ana", b""), one) for at, one in enumerate(slates)]


class Story:
    """A catalogue of two kinds, and a clock."""

    def __init__(self, catalogue: Catalogue | None = None) -> None:
        self.now_s, self.measures = 0.0, Measures()
        known = catalogue or catalogue_of(*kitchen_and_garden(10))
        self.diversity = SlateDiversity(self.measures, known, lambda: self.now_s)

    def meets(self, *slates: Recommendation | None) -> None:
        self.diversity.observe(answers(*slates))
        self.now_s += 2 * INTERVAL_S


def test_a_slate_of_two_kinds_is_more_diverse_than_one_of_one_kind() -> None:
    alike, mixed = Story(), Story()
    alike.meets(slate(*COOK))
    mixed.meets(slate(*COOK[:5], *PLANT[:5], drawn=2))
    assert alike.diversity.figures()["diversity"] < 0.6 < mixed.diversity.figures()["diversity"] < 1
    assert alike.diversity.figures()["exploration"] == 0.0
    assert mixed.diversity.figures()["exploration"] == 0.2


def test_it_is_the_mean_distance_of_two_videos_of_those_that_have_a_vector() -> None:
    story = Story()
    story.meets(slate("cook-00", "plant-00", "nobody-knows-it"))
    known = story.diversity._catalogue
    one, other = known.take_vectors(known.rows(["cook-00", "plant-00"]))
    assert story.diversity.figures()["diversity"] == pytest.approx(1 - float(one @ other), abs=1e-6)
    story.meets(slate("cook-00"))  # one video differs from nothing
    assert len(story.diversity._newest) == 1


def test_every_place_counts_and_one_slate_of_a_batch_is_compared_at_most_so_often() -> None:
    story = Story()
    story.meets(None, slate(*COOK, drawn=2), slate(*PLANT, *COOK[:9]))
    story.diversity.observe(answers(slate(*PLANT, drawn=1)))  # due again
    story.diversity.observe(answers(slate(*PLANT, drawn=1)))  # not due
    page = page_of(story.measures)
    assert sum_of(page, "freshet_slate_items_total") == 10 + 19 + 20
    assert sum_of(page, "freshet_explored_items_total") == 4
    assert sum_of(page, "freshet_slate_diversity_count") == 2


def test_the_figures_are_of_the_newest_slates_and_there_are_none_before_the_first() -> None:
    story = Story()
    assert story.diversity.figures() == {}
    story.meets(None)
    assert story.diversity.figures() == {}
    story.meets(slate(*COOK, drawn=2))
    for _ in range(WINDOW):
        story.meets(slate("cook-00", "plant-00"))
    assert story.diversity.figures()["exploration"] == 0.0


def test_videos_without_a_vector_at_hand_are_left_out() -> None:
    bare = catalogue_of(*(replace(encoded(f"v{n}", NOON), vectors={}) for n in range(3)))
    story = Story(bare)
    story.meets(slate("v0", "v1", "v2"))
    assert story.diversity.figures() == {}
