"""Where a finished video stands among all: ties, people, leads over baselines, and what the sources find together."""

from dataclasses import replace
from math import isnan, log2

import numpy as np
import pytest

from ranker.evaluation.bootstrap import Estimate
from ranker.evaluation.catalogue_figures import (
    CAUTION,
    LEAD,
    UNION,
    CatalogueRanks,
    catalogue_figures,
    hits,
    place_of,
)
from ranker.evaluation.evaluate import evaluate
from ranker.evaluation.report.page import html_report
from ranker.evaluation.summary import summary
from ranker.evaluation.table import catalogue_tables, text_report
from tests.support.predictions import exposures_of, scores_of

ALL = np.ones(5, np.bool_)


@pytest.mark.parametrize(
    ("scores", "place"),
    [
        ([9, 5, 4, 3, 2], 1),
        ([9, 5, 5, 5, 2], 2),  # behind one, and of the three each is one place behind
        ([0, 0, 0, 0, 0], 2),
        ([1, 9, 1, 1, 1], 0),
        ([1, np.nan, 1, 1, 1], 4),
        ([np.nan, 0, np.inf, 1, -1], 1),
    ],
)
def test_a_tie_counts_half_and_what_is_no_number_stands_last(scores, place):
    assert place_of(1, np.array(scores, np.float64), ALL) == place


def test_a_video_that_may_not_come_stands_before_nobody():
    may_come = np.array([False, True, True, True, True])
    assert place_of(1, np.array([9.0, 5.0, 4.0, 3.0, 2.0]), may_come) == 0
    assert place_of(0, np.array([9.0, 5.0, 4.0, 3.0, 2.0]), may_come) == float("inf")


def ranks_of(ours, **sources) -> CatalogueRanks:
    models = {"ours": ours, **sources}
    arrays = {name: np.array(places, np.float64) for name, places in models.items()}
    young = np.arange(len(ours)) == 0
    return CatalogueRanks(
        "ours",
        arrays.pop("ours"),
        arrays,
        {name: np.array(models[name], float) for name in models},
        young,
        np.arange(len(ours)),
    )


def test_figures_are_means_over_people():
    found = catalogue_figures(ranks_of([0, 2, 9.5, 10, 1e6]), draws=20)["ours"]
    assert found["HR@10"].value == pytest.approx(3 / 5)
    assert found["NDCG@10"].value == pytest.approx((1 + 1 / 2 + 1 / log2(11.5)) / 5)
    assert found["MRR"].value == pytest.approx((1 + 1 / 3 + 1 / 10.5 + 1 / 11 + 1 / (1e6 + 1)) / 5)
    assert found["recall@100"].value == pytest.approx(4 / 5)
    assert found["recall@100 of young videos"].value == 1
    assert (found["people"], found["people with a young video"]) == (5, 1)


def test_a_lead_is_ours_minus_theirs_person_by_person():
    places = np.arange(200) % 40
    found = catalogue_figures(ranks_of(places, twin=places, worse=places + 5.0), draws=200)
    assert found["twin"][f"{LEAD}HR@10"] == Estimate(0, 0, 0)
    lead, apart = found["worse"][f"{LEAD}HR@10"], found["ours"]["HR@10"]
    assert lead.value == pytest.approx(5 / 40)
    assert 0 < lead.low < lead.value < lead.high
    assert lead.high - lead.low < apart.high - apart.low  # the same people are drawn for both
    assert not any(key.startswith(LEAD) for key in found["ours"])


def test_people_with_several_videos_are_drawn_with_all_of_them():
    places = np.repeat([0.0, 50.0], 40)  # of forty people each is hit twice, or never: two videos of one say the same
    alone = catalogue_figures(ranks_of(places), draws=300)["ours"]["HR@10"]
    both = replace(ranks_of(places), people=np.arange(80) // 2)
    found = catalogue_figures(both, draws=300)["ours"]
    assert (found["people"], found["videos"]) == (40, 80)
    assert found["HR@10"].value == alone.value == 0.5
    assert found["HR@10"].high - found["HR@10"].low > 1.2 * (alone.high - alone.low)


def test_sources_together_find_what_one_of_them_finds():
    found = catalogue_figures(ranks_of([500, 500, 0], a=[0, 200, 300], b=[400, 99, 300]), draws=10)
    assert found[UNION]["recall@100"].value == pytest.approx(2 / 3)  # ours is no source
    assert found["a"]["recall@100"].value == pytest.approx(1 / 3)
    assert found[UNION]["recall@100 of young videos"].value == 1


def test_without_young_videos_they_have_no_recall():
    ranks = replace(ranks_of([0, 1], a=[5, 5]), is_young=np.zeros(2, np.bool_))
    assert isnan(catalogue_figures(ranks, draws=5)["ours"]["recall@100 of young videos"].value)


def test_where_nobody_counts_there_is_nothing():
    assert catalogue_figures(ranks_of([], a=[]), draws=5) == {}


def test_a_hundredth_place_is_no_hit():
    assert hits(np.array([99.0, 99.5, 100.0, np.inf]), 100).tolist() == [1, 1, 0, 0]


@pytest.fixture(scope="module")
def evaluation():
    places = np.arange(300) % 60
    ranking = catalogue_figures(ranks_of(places, twin=places, far=places + 9.0), draws=100)
    return evaluate(exposures_of([0, 0, 1], [0, 1, 1]), scores_of("ours", [0.5, 0.6, 0.2]), ranking=ranking, draws=5)


def test_the_sentences_say_what_ours_is_better_than_and_what_to_think_of_it(evaluation):
    said = summary(evaluation)
    (hit_rate,) = [one for one in said if one.startswith("Next among all videos, HR@10 0.167 (")]
    assert "better than far (by 0." in hit_rate and "cannot be told apart from twin" in hit_rate
    assert CAUTION in said
    assert CAUTION not in summary(replace(evaluation, ranking=None))


def test_the_text_has_a_row_for_each_with_marks(evaluation):
    main, more = catalogue_tables(evaluation.ranking)
    header, ours, twin, far, union = main.splitlines()
    assert header.split()[:5] == ["among", "all", "videos", "HR@10", "NDCG@10"]
    assert not any(mark in ours for mark in "+=") and twin.count("=") == 4 and far.count("+") >= 3
    assert union.startswith(UNION) and union.count("–") == 3
    assert "of young videos" in more and main in text_report(evaluation)


def test_the_page_has_the_table_and_the_caution(evaluation):
    page = html_report(evaluation)
    assert "Full catalogue" in page and UNION in page and CAUTION in page
