"""Selectors: from scores to slates of different videos, with two places for exploration.

Maximal marginal relevance (Carbonell and Goldstein 1998, "The use of MMR, diversity-based reranking for
reordering documents and producing summaries"): each place goes to the best mix of score and newness.
"""

import numpy as np

from ranker.catalogue.catalogue import Catalogue
from ranker.pipeline.exploration import explorable, insert_exploration
from ranker.pipeline.types import Candidates, Floats, Places, QueryBatch, Rows, Scores, Selection, Selector

POOL = 96  # the best candidates compete for places; a guess
RELEVANCE = np.float32(0.7)  # a guess
DIVERSITY_WEIGHT = np.float32(1) - RELEVANCE
PER_CREATOR = 2  # videos of one creator in a slate, as long as there are others; a guess
CROWDED = np.float32(4)  # more than any difference in value: beyond the cap only when nothing else is left
LEAST = 10  # shorter slates do not explore
NOWHERE = -np.inf
BEHIND = 2**63 - 1  # every candidate


def diverse(catalogue: Catalogue, size: int, explore: int = 0) -> Selector:
    """Slates of `size`, with two draws among the candidates of source number `explore`, the fresh ones."""

    def diverse(batch: QueryBatch, candidates: Candidates, scores: Scores) -> Selection:
        if not len(candidates.rows):
            return Selection(np.full((len(batch.queries), size), -1), np.ones((len(batch.queries), size)))
        pool = pools(candidates, scores.score)
        rows = candidates.rows[pool]
        gain = relevance(np.where(pool >= 0, scores.score[pool], NOWHERE))
        places = mmr(gain, cosines(rows, catalogue), makers(rows, catalogue), size)
        best = np.where(places >= 0, pool[np.arange(len(pool))[:, None], places], -1)
        if size < LEAST:
            return Selection(best, np.ones(best.shape))
        chances = explorable(candidates, scores.score, best[:, : size - 2], explore, catalogue)
        return insert_exploration(batch.queries, best, chances, candidates.of[chances])

    return diverse


def pools(candidates: Candidates, score: Floats) -> Places:
    """The best candidates of each query [B, 96], best first, ties by id, −1 behind; only what is finite."""
    bits = score.view(np.int32).astype(np.int64)
    worse = np.where(bits < 0, bits & 0x7FFFFFFF, -bits)  # sorts as −score does
    keys = (worse << 32) + np.arange(len(score))
    keys[~np.isfinite(score)] = BEHIND
    spans = [*candidates.spans()]
    ranked = np.full((len(spans), max(POOL, *(span.stop - span.start for _, span in spans))), BEHIND)
    for q, span in spans:
        ranked[q, : span.stop - span.start] = keys[span]
    ranked.partition(POOL - 1, axis=1)
    best = np.sort(ranked[:, :POOL], axis=1)
    return np.where(best < BEHIND, best & 0xFFFFFFFF, -1)


def relevance(score: Floats) -> Floats:
    """Scores of pools [B, P], best first, spread over 0..1, so that they compare with cosines; −∞ stays."""
    there = np.isfinite(score)
    lowest = np.where(there, score, -NOWHERE).min(axis=1, keepdims=True)
    width = score[:, :1] - lowest
    spread = (score - lowest) / np.where(width > 0, width, np.float32(1))
    return np.where(there, spread, NOWHERE)


def cosines(rows: Rows, catalogue: Catalogue) -> Floats:
    """How alike the videos of each pool are [B, P, P]; one product a query, of one shape."""
    out = np.empty((*rows.shape, POOL), np.float32)
    work = np.empty((POOL, catalogue.dim), np.float32)
    for of_one, products in zip(rows, out, strict=True):
        catalogue.vectors.take(of_one, axis=0, out=work, mode="clip")
        np.matmul(work, work.T, out=products)
    return out


def makers(rows: Rows, catalogue: Catalogue) -> Rows:
    """Creators of the videos of each pool [B, P]; who was not named is somebody else each time."""
    creators = catalogue.creator[rows]
    nobody = np.arange(-2, -2 - rows.shape[1], -1, dtype=np.int32)
    return np.where(creators >= 0, creators, nobody)


def mmr(gain: Floats, alike: Floats, makers: Rows, size: int) -> Places:
    """Fill places one after another with the best mix of gain [B, P] and newness, from alike [B, P, P]: [B, size].

    >>> alike = np.array([[[1, 1, 0], [1, 1, 0], [0, 0, 1]]], np.float32)
    >>> mmr(np.array([[1, 0.5, 0.1]], np.float32), alike, np.array([[1, 2, 3]]), 4).tolist()
    [[0, 2, 1, -1]]
    """
    count, pool = gain.shape
    gain = RELEVANCE * gain
    beyond_cap = gain - CROWDED
    alike = DIVERSITY_WEIGHT * alike
    alike.reshape(count, -1)[:, :: pool + 1] = np.inf  # none is new beside itself
    alike = alike.reshape(-1, pool)
    twins = (makers[:, :, None] == makers[:, None, :]).reshape(-1, pool)
    nearest, value, met = np.zeros_like(gain), gain.copy(), np.zeros(gain.shape, np.bool_)
    picks, begins = np.full((size, count), -1), np.arange(count) * pool
    for pick in picks[:pool]:
        value.argmax(axis=1, out=pick)  # of equal ones the first, and they come best first
        at = begins + pick
        twin = twins.take(at, axis=0)
        np.copyto(gain, beyond_cap, where=twin & met)
        met |= twin  # one video of its creator is in; the next one fills the cap of PER_CREATOR
        np.maximum(nearest, alike.take(at, axis=0), out=nearest)
        np.subtract(gain, nearest, out=value)
    there = np.isfinite(gain).sum(axis=1)
    return np.where(np.arange(size) < there[:, None], picks.T, -1)
