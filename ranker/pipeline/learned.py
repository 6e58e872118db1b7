"""The learned scorer: chances of finishing, liking and skipping from progressive features, and what they are worth.

The same features and weights as the learner's (ranker/learning/model.py). What is the same for all videos of a slate
is left out of the score, which compares inside one slate, and is kept in the probabilities.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.arrays import Floats, Places
from ranker.catalogue.catalogue import Catalogue
from ranker.learning.features import FEATURES, FIRST_LOGITS, PERSON, overall_rates, person_features, person_numbers
from ranker.learning.parameters import NOTHING_LEARNED, Parameters
from ranker.learning.view import OF_VIDEO, ParameterView
from ranker.pipeline.scorers import Weights, logistic, weighted_sum
from ranker.pipeline.types import (
    Candidates,
    Contributions,
    FeatureMatrix,
    Featurize,
    QueryBatch,
    Scorer,
    Scores,
    surface_of,
)
from ranker.profile.outcomes import HEADS

USUAL = FIRST_LOGITS.astype(np.float32)[:, None]  # log-odds of somebody of whom nothing is known
NAMES = tuple(FEATURES[place].name for place in OF_VIDEO)  # of what differs between the videos of a slate


@dataclass(frozen=True)
class Worth:
    """What the chances are worth in the score, and how much what is known of taste and content adds to it.

    heads    by outcome
    by_hand  the share of the hand-set scorer in the score: it speaks for videos of which nothing is learned yet
    """

    heads: Mapping[str, float]
    by_hand: float
    weights: Weights

    @property
    def of_heads(self) -> NDArray[np.float64]:
        """By outcome, in the order of HEADS [H]."""
        return np.array([self.heads[head] for head in HEADS])


@dataclass(frozen=True)
class LearnedMatrix(FeatureMatrix):
    """The hand-set scorer's features, and beside them what was learned of the same candidates."""

    videos: Floats  # [H, N] log-odds of what differs between the videos of a slate
    others: Floats  # [H, B] of the rest: person, surface, hour
    query: Places  # [N]
    details: Callable[[Places], Floats]  # what adds up to `videos`, outcomes by their worth, at the given places [M, F]


def with_learned(featurize: Featurize, catalogue: Catalogue, parameters: Parameters, worth: Worth) -> Featurize:
    """Features as `featurize` gives them, and what was learned of the same candidates."""
    view = ParameterView(catalogue, parameters, worth.of_heads)

    def learned(batch: QueryBatch, candidates: Candidates) -> FeatureMatrix:
        base, queries = featurize(batch, candidates), batch.queries
        surfaces = [view.surface(surface_of(query)) for query in queries]
        met = [(one.profile.counters, surface_of(one), one.now_ms) for one in queries]
        people = person_features(person_numbers(met), overall_rates(parameters.totals)) * parameters.weights[:, PERSON]
        context = [view.context(surface, query.now_ms) for surface, query in zip(surfaces, queries, strict=True)]

        def details(places: Places) -> Floats:
            found = np.empty((len(places), len(NAMES)), np.float32)
            here = np.array(surfaces)[candidates.query[places]]
            for surface in {*surfaces}:
                found[here == surface] = view.contributions(candidates.rows[places[here == surface]], surface)
            return found

        return LearnedMatrix(
            base.names,
            base.values,
            base.nearness,
            base.interests,
            _of_videos(view, surfaces, candidates),
            (people.sum(axis=-1) + np.array(context)).T.astype(np.float32, order="C"),
            candidates.query,
            details,
            without=base.without,
        )

    return learned


def _of_videos(view: ParameterView, surfaces: Sequence[str], candidates: Candidates) -> Floats:
    """What is learned of each candidate on the surface of its query; each surface is asked once [H, N].

    The numbers of a head lie side by side, as NumPy is slow at rows of three.
    """
    if len({*surfaces}) == 1:
        return np.ascontiguousarray(view.logits(candidates.rows, surfaces[0]).T)
    found = np.empty((len(HEADS), len(candidates.rows)), np.float32)
    for surface in dict.fromkeys(surfaces):
        spans = [span for query, span in candidates.spans() if surfaces[query] == surface]
        logits, start = view.logits(np.concatenate([candidates.rows[span] for span in spans]), surface).T, 0
        for span in spans:
            end = start + span.stop - span.start
            found[:, span], start = logits[:, start:end], end
    return found


def nothing_learned() -> str:
    """The version of parameters that have learned nothing."""
    return NOTHING_LEARNED


def learned_sum(worth: Worth, table: str, version: Callable[[], str] = nothing_learned) -> Scorer:
    """The sum of what the learned chances are worth and of a share of the hand-set score.

    table    the version of the table that `worth` is of
    version  of the parameters by which with_learned featurizes, at present
    """
    by_hand, of_heads = weighted_sum(worth.weights), worth.of_heads.astype(np.float32)

    def score(matrix: FeatureMatrix) -> Scores:
        if not isinstance(matrix, LearnedMatrix):
            raise TypeError("learned_sum scores what with_learned has featurized")
        hand = by_hand.score(matrix)
        total = np.float32(worth.by_hand) * hand.score
        for weight, usual in zip(of_heads, logistic(matrix.videos + USUAL), strict=True):
            total += weight * usual
        heads = logistic(matrix.videos + matrix.others.take(matrix.query, axis=1))

        def contributions(places: Places) -> Contributions:
            learned = matrix.details(places).T
            rank_logit = np.ascontiguousarray(matrix.videos[:, places].T) @ of_heads
            if hand.contributions is None:
                return Contributions(NAMES, learned, rank_logit)
            found, content = hand.contributions(places), np.float32(worth.by_hand)
            values = np.concatenate([learned, content * found.values])
            if found.rank_logit is not None:
                rank_logit = rank_logit + content * found.rank_logit
            return Contributions((*NAMES, *found.names), values, rank_logit)

        return Scores(dict(zip(HEADS, heads, strict=True)), total, contributions)

    return Scorer(f"learned@{table}", score, version)
