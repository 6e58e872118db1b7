"""Re-ranking: from scores to slates of different videos, with two places for exploration.

Maximal marginal relevance (Carbonell and Goldstein 1998, "The use of MMR, diversity-based reranking for
reordering documents and producing summaries"): each place goes to the best mix of score and diversity.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ranker.catalogue.arrays import Floats, Places, Rows
from ranker.catalogue.catalogue import Catalogue
from ranker.pipeline.exploration import explorable, insert_exploration
from ranker.pipeline.kernel import calls, fused, switch
from ranker.pipeline.kernel.fused import POOL_SIZE
from ranker.pipeline.types import Candidates, QueryBatch, Scores, Selection, Selector

CAP_PENALTY = np.float32(4)  # more than any difference in value: beyond the cap only when nothing else is left
MIN_EXPLORE_SIZE = 10  # shorter slates do not explore
NO_SCORE = -np.inf
LAST_KEY = 2**63 - 1  # sorts behind every candidate


@dataclass(frozen=True)
class Mix:
    """How a slate is mixed.

    relevance     its share in each choice; diversity is the rest
    per_creator   the most videos of one creator, as long as there are others; 0: no limit
    per_category  the same of a category
    explore       the source among whose candidates two places are drawn; empty: none
    """

    relevance: float
    per_creator: int = 0
    per_category: int = 0
    explore: str = ""


def diverse(catalogue: Catalogue, size: int, mix: Mix) -> Selector:
    """Slates of `size`."""

    def diverse(batch: QueryBatch, candidates: Candidates, scores: Scores) -> Selection:
        if not len(candidates.rows):
            return Selection(np.full((len(batch.queries), size), -1), np.ones((len(batch.queries), size)))
        pool, gain = competing(candidates, scores.score)
        rows = candidates.rows[pool]
        chosen = mixed(gain, rows, catalogue, size, mix)
        best = np.where(chosen >= 0, pool[np.arange(len(pool))[:, None], chosen], -1)
        if size < MIN_EXPLORE_SIZE or not mix.explore:
            return Selection(best, np.ones(best.shape))
        drawable = explorable(candidates, scores.score, best[:, : size - 2], mix.explore, catalogue)
        return insert_exploration(batch.queries, best, drawable, candidates.query[drawable])

    return diverse


def mixed(gain: Floats, rows: Rows, catalogue: Catalogue, size: int, mix: Mix) -> Places:
    """Fill slates from pools [B, 96] of candidates: places in the pools [B, size]."""
    limits = caps(rows, catalogue, mix)
    if catalogue.elsewhere is None and fused.is_used(catalogue.dim):
        return calls.mixed(gain, catalogue.vectors, rows, size, mix.relevance, float(CAP_PENALTY), limits)
    return mmr(gain, cosines(rows, catalogue), size, mix.relevance, limits)


def competing(candidates: Candidates, score: Floats) -> tuple[Places, Floats]:
    """The best candidates of each query [B, 96], and what each gains a slate [B, 96]."""
    if switch.is_used():
        return calls.pools(score, candidates.bounds, POOL_SIZE)
    pool = pools(candidates, score)
    return pool, relevance(np.where(pool >= 0, score[pool], NO_SCORE))


def pools(candidates: Candidates, score: Floats) -> Places:
    """The best candidates of each query [B, 96], best first, ties by id, then −1; finite scores alone."""
    bits = score.view(np.int32).astype(np.int64)
    descending = np.where(bits < 0, bits & 0x7FFFFFFF, -bits)  # sorts as −score does
    keys = (descending << 32) + np.arange(len(score))
    keys[~np.isfinite(score)] = LAST_KEY
    spans = [*candidates.spans()]
    ranked = np.full((len(spans), max(POOL_SIZE, *(span.stop - span.start for _, span in spans))), LAST_KEY)
    for query, span in spans:
        ranked[query, : span.stop - span.start] = keys[span]
    ranked.partition(POOL_SIZE - 1, axis=1)
    best = np.sort(ranked[:, :POOL_SIZE], axis=1)
    return np.where(best < LAST_KEY, best & 0xFFFFFFFF, -1)


def relevance(score: Floats) -> Floats:
    """Scores of pools [B, P], best first, scaled to 0..1, so that they compare with cosines; −∞ stays."""
    finite = np.isfinite(score)
    lowest = np.where(finite, score, -NO_SCORE).min(axis=1, keepdims=True)
    width = score[:, :1] - lowest
    scaled = (score - lowest) / np.where(width > 0, width, np.float32(1))
    return np.where(finite, scaled, NO_SCORE)


def cosines(rows: Rows, catalogue: Catalogue) -> Floats:
    """How similar the videos of each pool are [B, P, P]; one product a query, always of the same shape."""
    products = np.empty((*rows.shape, POOL_SIZE), np.float32)
    work = np.empty((POOL_SIZE, catalogue.dim), np.float32)
    for of_query, out in zip(rows, products, strict=True):
        catalogue.take_vectors(of_query, work)
        np.matmul(work, work.T, out=out)
    return products


class Cap(NamedTuple):
    """The most videos of one group in a slate, as long as there are others; the groups of pools [B, P]."""

    groups: Rows
    most: int


def caps(rows: Rows, catalogue: Catalogue, mix: Mix) -> list[Cap]:
    """The limits that a mix sets for pools [B, P]."""
    both = (catalogue.creator, mix.per_creator), (catalogue.category, mix.per_category)
    return [Cap(named(column[rows]), most) for column, most in both if most]


def named(codes: Rows) -> Rows:
    """Codes of the videos of each pool [B, P], where each unnamed one counts as a group of its own."""
    unnamed = np.arange(-2, -2 - codes.shape[1], -1, dtype=np.int32)
    return np.where(codes >= 0, codes, unnamed)


def mmr(gain: Floats, similarity: Floats, size: int, relevance: float, limits: Sequence[Cap] = ()) -> Places:
    """Fill one place after another with the best mix of gain [B, P] and diversity, by similarity [B, P, P]: [B, size].

    >>> similarity = np.array([[[1, 1, 0], [1, 1, 0], [0, 0, 1]]], np.float32)
    >>> mmr(np.array([[1, 0.5, 0.1]], np.float32), similarity, 4, 0.7).tolist()
    [[0, 2, 1, -1]]
    """
    if switch.is_used():
        return calls.mmr(gain, similarity, size, relevance, float(CAP_PENALTY), limits)
    count, pool = gain.shape
    gain = np.multiply(gain, np.float32(relevance), out=gain.copy(), where=np.isfinite(gain))
    beyond_cap = gain - CAP_PENALTY
    similarity = (np.float32(1) - np.float32(relevance)) * similarity
    similarity.reshape(count, -1)[:, :: pool + 1] = np.inf  # no video is chosen twice
    similarity = similarity.reshape(-1, pool)
    alike = [((one.groups[:, :, None] == one.groups[:, None, :]).reshape(-1, pool), one.most) for one in limits]
    taken = [np.zeros(gain.shape, np.int16) for _ in limits]
    nearest, value = np.zeros_like(gain), gain.copy()
    chosen, starts = np.full((size, count), -1), np.arange(count) * pool
    for choice in chosen[:pool]:
        value.argmax(axis=1, out=choice)  # of equal ones the first, and they come best first
        places = starts + choice
        for (same, most), count_of in zip(alike, taken, strict=True):
            of_group = same.take(places, axis=0)
            count_of += of_group
            np.copyto(gain, beyond_cap, where=of_group & (count_of >= most))
        np.maximum(nearest, similarity.take(places, axis=0), out=nearest)
        np.subtract(gain, nearest, out=value)
    finite = np.isfinite(gain).sum(axis=1)
    return np.where(np.arange(size) < finite[:, None], chosen.T, -1)
