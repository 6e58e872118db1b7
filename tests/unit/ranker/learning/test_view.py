"""What is served is what is learned: the view of a catalogue says of a video what the model predicts of it."""

import numpy as np
import pytest

from ranker.catalogue.catalogue import Catalogue
from ranker.catalogue.entry import facts_of
from ranker.feeds.ranking_table import usual_table
from ranker.learning.fields import Exposure, hour_of
from ranker.learning.learner import Learner
from ranker.learning.model import Shown, predict
from ranker.learning.parameters import Parameters
from ranker.learning.view import NOWHERE, ParameterView
from ranker.pipeline.features import featurize
from ranker.pipeline.learned import learned_sum, with_learned
from ranker.pipeline.merge import candidates_of
from ranker.pipeline.pair_keys import keys_of
from ranker.pipeline.query_features import query_features
from ranker.pipeline.scorers import weighted_sum
from ranker.pipeline.source_sets import single
from ranker.pipeline.types import Candidates, Query, QueryBatch
from ranker.profile.fold import fold_batch
from ranker.profile.model import Profile
from ranker.profile.outcomes import HEADS
from schemas.messages.fields import DAY_MS
from schemas.messages.videos import Encoded
from tests.support.catalogues import catalogue_of, kitchen_and_garden
from tests.support.events import after, arrivals, liked, minute, skipped, watched

WORTH = usual_table().score
VIDEOS = [one for one in kitchen_and_garden(12) if isinstance(one, Encoded)]
SURFACES = ("feed", "search")


@pytest.fixture(scope="module")
def parameters() -> Parameters:
    """Learned from 300 events: cooking is finished, gardening is skipped."""
    events = []
    for n in range(300):
        video = VIDEOS[7 * n % len(VIDEOS)].video_id
        make = watched if video.startswith("cook") else skipped
        events.append(make(f"p{n % 20}", video, minute(n), surface=SURFACES[n % 2]))
    made = Parameters()
    learner = Learner(made, {one.video_id: facts_of(one) for one in VIDEOS})
    for user_id, example in fold_batch({}, arrivals(events), DAY_MS, for_learning=True).examples:
        [*learner.take(user_id, example)]
    [*learner.close()]
    return made


def everything(catalogue: Catalogue, people: list[Profile]) -> tuple[QueryBatch, Candidates]:
    batch = QueryBatch(
        [Query(f"u{n}", one.version, one.newest_ms, one) for n, one in enumerate(people)],
        query_features(people, catalogue),
    )
    query = np.arange(len(people)).repeat(catalogue.size)
    keys = keys_of(query, np.tile(np.arange(catalogue.size), len(people)))
    return batch, candidates_of(keys, single(("all",), "all", len(keys)), len(people), catalogue)


PEOPLE = [
    after(watched("ana", "cook-00", surface="feed"), liked("ana", "cook-00", minute(1), surface="feed")),
    after(*(skipped("ana", f"plant-{n:02}", minute(n), surface="search") for n in range(5))),
    after(watched("ana", "cook-01", minute(500))),
]


def test_each_candidate_is_given_the_chances_that_the_model_predicts(parameters: Parameters) -> None:
    catalogue = catalogue_of(*VIDEOS)
    batch, candidates = everything(catalogue, PEOPLE)
    scores = learned_sum(WORTH, "").score(
        with_learned(featurize(catalogue), catalogue, parameters, WORTH)(batch, candidates)
    )
    expected = []
    for place, row in zip(candidates.query.tolist(), candidates.rows.tolist(), strict=True):
        profile = PEOPLE[place]
        surface = profile.counters.surfaces[-1].surface
        exposure = Exposure(catalogue.ids[row], catalogue.facts[row], surface, hour_of(profile.newest_ms))
        expected.append(predict(parameters, [Shown(exposure, profile.counters, profile.newest_ms)]).probability[0])
    for head, chances in enumerate(zip(*expected, strict=True)):
        assert scores.heads[HEADS[head]] == pytest.approx(chances, abs=1e-6)


def test_what_speaks_for_an_item_adds_up_to_what_is_learned_of_it(parameters: Parameters) -> None:
    catalogue = catalogue_of(*VIDEOS)
    view = ParameterView(catalogue, parameters, WORTH.of_heads)
    rows = np.arange(catalogue.size, dtype=np.int32)
    learned = view.logits(rows, "feed") @ WORTH.of_heads
    assert view.contributions(rows, "feed").sum(axis=-1) == pytest.approx(learned, rel=3e-7, abs=1e-6)  # float32
    assert np.abs(learned).max() > 0.5


def test_a_video_that_comes_later_and_what_is_learned_later_are_seen(parameters: Parameters) -> None:
    catalogue = catalogue_of(*VIDEOS[:5])
    view = ParameterView(catalogue, parameters, WORTH.of_heads)
    before = view.logits(np.arange(5, dtype=np.int32), "feed")
    catalogue.apply(VIDEOS[5:])
    rows = np.arange(catalogue.size, dtype=np.int32)
    assert (view.logits(rows[:5], "feed") == before).all()
    assert view.logits(rows, "feed") == pytest.approx(
        ParameterView(catalogue_of(*VIDEOS), parameters, WORTH.of_heads).logits(rows, "feed")
    )
    parameters.batches += 1
    parameters.weights[:, 1:] *= 2
    try:
        assert view.logits(rows[:5], "feed") == pytest.approx(2 * before)
    finally:
        parameters.weights[:, 1:] /= 2


def test_what_was_finished_is_ranked_above_what_was_skipped(parameters: Parameters) -> None:
    catalogue = catalogue_of(*VIDEOS)
    batch, candidates = everything(catalogue, PEOPLE[2:])
    scores = learned_sum(WORTH, "").score(
        with_learned(featurize(catalogue), catalogue, parameters, WORTH)(batch, candidates)
    )
    cooking = np.array([catalogue.ids[row].startswith("cook") for row in candidates.rows])
    assert scores.score[cooking].min() > scores.score[~cooking].max()


def test_surfaces_of_which_nothing_is_learned_share_one_table(parameters: Parameters) -> None:
    view = ParameterView(catalogue_of(*VIDEOS), parameters, WORTH.of_heads)
    assert [view.surface(name) for name in ("feed", "search", "somewhere", "")] == ["feed", "search", NOWHERE, NOWHERE]


def test_contributions_add_up_to_the_log_odds_by_which_candidates_are_ranked(parameters: Parameters) -> None:
    catalogue, rng = catalogue_of(*VIDEOS), np.random.default_rng(5)
    batch, candidates = everything(catalogue, [_somebody(rng) for _ in range(60)])
    matrix = with_learned(featurize(catalogue), catalogue, parameters, WORTH)(batch, candidates)
    for scorer in (weighted_sum(WORTH.weights), learned_sum(WORTH, "")):
        scores = scorer.score(matrix)
        assert scores.contributions is not None
        found = scores.contributions(np.arange(len(candidates.rows)))
        assert found.rank_logit is not None and found.values.shape[1] == 60 * catalogue.size
        wide = found.values.astype(np.float64)
        # Numbers are float32: each of twenty is wrong by 6e-8 of itself, and so is what the score is computed from.
        tolerance = 2e-6 * np.maximum(1, np.abs(wide).sum(axis=0))
        assert (np.abs(wide.sum(axis=0) - found.rank_logit) <= tolerance).all()


def test_the_rank_log_odds_are_those_of_the_hand_set_heads(parameters: Parameters) -> None:
    catalogue = catalogue_of(*VIDEOS)
    batch, candidates = everything(catalogue, PEOPLE)
    features = with_learned(featurize(catalogue), catalogue, parameters, WORTH)(batch, candidates)
    scores = weighted_sum(WORTH.weights).score(features)
    assert scores.contributions is not None
    found = scores.contributions(np.arange(len(candidates.rows)))
    heads = {name: head.astype(np.float64) for name, head in scores.heads.items()}
    expected = sum(
        weight * (np.log(heads[name] / (1 - heads[name])) - WORTH.weights.heads[name]["bias"])
        for name, weight in WORTH.weights.head_weights.items()
    )
    assert found.rank_logit == pytest.approx(expected, abs=1e-5)  # a chance in float32 tells its log-odds so exactly


def _somebody(rng: np.random.Generator) -> Profile:
    names = rng.choice([one.video_id for one in VIDEOS], 12, replace=False).tolist()
    makes = [(watched, liked, skipped)[place] for place in rng.integers(0, 3, 12).tolist()]
    return after(
        *(
            make("ana", name, minute(n), surface=SURFACES[n % 2])
            for n, (make, name) in enumerate(zip(makes, names, strict=True))
        )
    )
