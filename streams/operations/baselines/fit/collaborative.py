"""Collaborative filtering from what people finished before the split, by implicit.

Which settings serve best is found inside the training days: each person's first finish of the late ones is ranked by
what was finished before those.

Robertson & Walker 1994, "Some simple effective approximations to the 2-Poisson model" (BM25); Hu, Koren & Volinsky
2008, "Collaborative filtering for implicit feedback datasets" (ALS).
"""

import sys
import warnings
from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from implicit.nearest_neighbours import BM25Recommender
from implicit.utils import ParameterWarning
from scipy.sparse import csr_matrix

from streams.operations.baselines.exchange import Floats, Ints, NextFinish, early_of

BM25_GRID = tuple(product((20, 100, 500), (0.2, 0.8), (0.2, 0.8)))  # neighbours, and its K1 and B
ALS_GRID = tuple(product((16, 64, 128), (0.01, 1.0, 10.0), (1.0, 10.0)))  # factors, regularisation, confidence

Ranker = Callable[[csr_matrix, Ints], Floats]  # people × videos, and the people to rank for, to scores [P, V]


def bm25(asked: NextFinish) -> Floats:
    """Videos that are finished by those who finished what the person did, weighted by BM25."""
    return _best(asked, "BM25: neighbours, K1, B", [(one, _bm25(*one)) for one in BM25_GRID])


def als(asked: NextFinish) -> Floats:
    """A matrix factorisation in which what was not finished counts little."""
    return _best(asked, "ALS: factors, regularisation, alpha", [(one, _als(*one)) for one in ALS_GRID])


def _bm25(neighbours: int, k1: float, b: float) -> Ranker:
    def rank(finished: csr_matrix, people: Ints) -> Floats:
        model = BM25Recommender(K=neighbours, K1=k1, B=b, num_threads=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ParameterWarning)  # it hands itself a matrix that it has to convert
            model.fit(finished, show_progress=False)
        scores: Floats = (finished[people] @ model.similarity).toarray().astype(np.float32)
        return scores

    return rank


def _als(factors: int, regularization: float, alpha: float) -> Ranker:
    def rank(finished: csr_matrix, people: Ints) -> Floats:
        model = AlternatingLeastSquares(
            factors=factors, regularization=regularization, alpha=alpha, num_threads=1, random_state=0
        )
        model.fit(finished, show_progress=False)
        scores: Floats = model.user_factors[people] @ model.item_factors.T
        return scores

    return rank


def _best(asked: NextFinish, what: str, rankers: Sequence[tuple[tuple[float, ...], Ranker]]) -> Floats:
    """The scores of the ranker that is best inside the training days."""
    early, people, chosen = validation(asked)
    gains = [_gain(rank(early, people), early[people], chosen) if len(people) else 0.0 for _, rank in rankers]
    settings, rank = rankers[int(np.argmax(gains))]
    sys.stderr.write(f"  {what} = {settings}, NDCG@10 of the late training days {max(gains):.4f}\n")
    return rank(_matrix(asked.people, asked.videos, asked.sizes), asked.targets)


def validation(asked: NextFinish) -> tuple[csr_matrix, Ints, Ints]:
    """What was finished before the late training days, and who finished which video first in them.

    Only people who finished something before, and videos that they had not, as in the test.
    """
    early = early_of(len(asked.people))
    finished = _matrix(asked.people[:early], asked.videos[:early], asked.sizes)
    people, first = np.unique(asked.people[early:], return_index=True)
    videos = asked.videos[early:][first]
    is_new = np.asarray(finished[people, videos]).ravel() == 0
    usable = is_new & (np.diff(finished.indptr)[people] > 0)
    return finished, people[usable], videos[usable]


def _matrix(people: Ints, videos: Ints, sizes: Ints) -> csr_matrix:
    """1 where a person finished a video [people, videos]."""
    found = csr_matrix((np.ones(len(people), np.float32), (people, videos)), shape=(int(sizes[0]), int(sizes[1])))
    found.data[:] = 1
    return found


def _gain(scores: Floats, known: csr_matrix, chosen: Ints) -> float:
    """NDCG@10 of one video each among those that the person had not finished, a tie counting half."""
    scores = np.where(known.toarray() > 0, -np.inf, scores)
    own = scores[np.arange(len(chosen)), chosen][:, None]
    place = (scores > own).sum(axis=1) + ((scores == own).sum(axis=1) - 1) / 2
    return float(np.where(place < 10, 1 / np.log2(2 + place), 0).mean())
