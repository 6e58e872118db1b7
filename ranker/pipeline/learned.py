"""The learned scorer: chances of finishing, liking and skipping from progressive features, and what they are worth.

The same features and weights as the learner's (ranker/learning/model.py). What is the same for all videos of a slate
is left out of the score, which compares inside one slate, and is kept in the probabilities.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.catalogue import Catalogue
from ranker.learning.features import FEATURES, FIRST_LOGITS, PERSON, overall_rates, person_features, person_numbers
from ranker.learning.model import sigmoid
from ranker.learning.parameters import NOTHING_LEARNED, Parameters
from ranker.learning.view import OF_VIDEO, ParameterView
from ranker.pipeline.scorers import BELOW_ONE, WEIGHTS, Weights, weighted_sum
from ranker.pipeline.types import (
    Candidates,
    Contributions,
    FeatureMatrix,
    Featurize,
    Places,
    Query,
    QueryBatch,
    Scorer,
    Scores,
)
from ranker.profile.outcomes import HEADS

Wide = NDArray[np.float64]

NAMES = tuple(FEATURES[place].name for place in OF_VIDEO)  # of what differs between the videos of a slate


@dataclass(frozen=True)
class Worth:
    """What the chances are worth in the score, and how much what is known of taste and content adds to it.

    heads    by outcome
    content  the share of the hand-set scorer in the score: it speaks for videos of which nothing is learned yet
    """

    heads: Mapping[str, float]
    content: float
    weights: Weights = WEIGHTS

    @property
    def version(self) -> str:
        """A hash of every number."""
        content = repr((sorted(self.heads.items()), self.content, self.weights.version))
        return sha256(content.encode()).hexdigest()[:8]


WORTH = Worth({"finish": 1.0, "like": 2.0, "skip": -1.0}, content=0.2)  # guesses


def surface_of(query: Query) -> str:
    """The surface on which the person will meet the slate: the one of their last exposure."""
    surfaces = query.profile.counters.surfaces
    return surfaces[-1].surface if surfaces else ""


@dataclass(frozen=True)
class LearnedMatrix(FeatureMatrix):
    """The hand-set scorer's features, and beside them what was learned of the same candidates."""

    videos: Wide  # [N, H] log-odds of what differs between the videos of a slate
    others: Wide  # [B, H] of the rest: person, surface, hour
    query: Places  # [N]
    details: Callable[[Places], Wide]  # features behind `videos`, each times its weight, at the given places [M, H, F]


def with_learned(featurize: Featurize, catalogue: Catalogue, parameters: Parameters) -> Featurize:
    """Features as `featurize` gives them, and what was learned of the same candidates."""
    view = ParameterView(catalogue, parameters)

    def learned(batch: QueryBatch, candidates: Candidates) -> FeatureMatrix:
        base = featurize(batch, candidates)
        met = [(query.profile.counters, surface_of(query), query.now_ms) for query in batch.queries]
        people = person_features(person_numbers(met), overall_rates(parameters.totals)) * parameters.weights[:, PERSON]
        context = np.array([view.context(surface, now_ms) for _, surface, now_ms in met])
        videos = np.concatenate([view.logits(candidates.rows[span], met[at][1]) for at, span in candidates.spans()])

        def details(places: Places) -> Wide:
            surfaces = [met[query][1] for query in candidates.query[places].tolist()]
            rows = candidates.rows[places]
            found = np.empty((len(places), len(HEADS), len(NAMES)))
            for surface in set(surfaces):
                here = np.array([one == surface for one in surfaces])
                found[here] = view.details(rows[here], surface)
            return found

        return LearnedMatrix(
            base.names, base.values, base.nearness, base.interests, videos, people.sum(axis=-1) + context,
            candidates.query, details,
        )  # fmt: skip

    return learned


def learned_sum(worth: Worth = WORTH, version: str = NOTHING_LEARNED) -> Scorer:
    """The sum of what the learned chances are worth and of a share of the hand-set score."""
    by_hand = weighted_sum(worth.weights)
    of_head = [np.float32(worth.heads[head]) for head in HEADS]

    def score(matrix: FeatureMatrix) -> Scores:
        if not isinstance(matrix, LearnedMatrix):
            raise TypeError("learned_sum scores what with_learned has featurized")
        hand = by_hand.score(matrix)
        heads = sigmoid(matrix.videos + matrix.others[matrix.query]).astype(np.float32)
        total = np.float32(worth.content) * hand.score
        usual = sigmoid(matrix.videos + FIRST_LOGITS).astype(np.float32)
        for place, weight in enumerate(of_head):
            total += weight * usual[:, place]

        def contributions(places: Places) -> Contributions:
            learned = (matrix.details(places) * np.array(of_head)[:, None]).sum(axis=1).T  # [F, M]
            if hand.contributions is None:
                return Contributions(NAMES, learned.astype(np.float32))
            found = hand.contributions(places)
            values = np.concatenate([learned, worth.content * found.values]).astype(np.float32)
            return Contributions((*NAMES, *found.names), values)

        return Scores(dict(zip(HEADS, np.minimum(heads.T, BELOW_ONE), strict=True)), total, contributions)

    return Scorer(f"learned@{worth.version}-{version}", score)
