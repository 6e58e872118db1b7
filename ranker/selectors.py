"""Selectors: from scores to a slate of different videos, with two places for exploration.

Maximal marginal relevance (Carbonell and Goldstein 1998, "The use of MMR, diversity-based reranking for
reordering documents and producing summaries"): each place goes to the best mix of score and newness.
"""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from ranker.candidates import Candidates, Features, Floats, Picks, Query, Rows, Scores, Selector
from ranker.catalogue import Catalogue

POOL = 96  # the best candidates compete for places; a guess
RELEVANCE = np.float32(0.7)  # a guess
NEWNESS = np.float32(1) - RELEVANCE
PER_CREATOR = 2  # videos of one creator in a slate, as long as there are others; a guess
CROWDED = np.float32(4)  # more than any difference in value: beyond the cap only when nothing else is left
LEAST = 10  # shorter slates do not explore

Places = NDArray[np.int64]


def diverse(catalogue: Catalogue, size: int, explore: int = 0) -> Selector:
    """Slates of `size`, with two draws among the candidates of source number `explore`, the fresh ones."""

    def diverse(
        queries: Sequence[Query], candidates: Sequence[Candidates], features: Features, scores: Scores
    ) -> list[Picks]:
        picks = []
        for query, one, start in zip(queries, candidates, features.bounds, strict=False):
            score = scores.score[start : start + len(one.rows)]
            pool = pool_of(one.rows, score, catalogue)
            rows = one.rows[pool]
            places = mmr(relevance(score[pool]), cosines(rows, catalogue), catalogue.creator[rows].tolist(), size)
            picks.append(with_draws(query, one, score, pool[places], size, explore, catalogue))
        return picks

    return diverse


def pool_of(rows: Rows, score: Floats, catalogue: Catalogue) -> Places:
    """Indexes of the best candidates, best first, ties by id; what is not finite is left out."""
    finite = np.flatnonzero(np.isfinite(score))
    if len(finite) > POOL:
        of_finite = score[finite]
        finite = finite[of_finite >= np.partition(of_finite, len(finite) - POOL)[len(finite) - POOL]]
    return finite[np.lexsort((catalogue.order[rows[finite]], -score[finite]))][:POOL]


def relevance(score: Floats) -> Floats:
    """Scores of one pool, best first, spread over 0..1, so that they compare with cosines."""
    if not len(score) or score[0] == score[-1]:
        return np.zeros(len(score), np.float32)
    spread: Floats = (score - score[-1]) / (score[0] - score[-1])
    return spread


def cosines(rows: Rows, catalogue: Catalogue) -> Floats:
    """How alike the videos of a pool are [P, P]; the product has one shape whatever P is."""
    padded = np.zeros((POOL, catalogue.dim), np.float32)
    catalogue.vectors.take(rows, axis=0, out=padded[: len(rows)], mode="clip")
    return (padded @ padded.T)[: len(rows), : len(rows)]


def mmr(gain: Floats, alike: Floats, makers: Sequence[int], size: int) -> list[int]:
    """Fill places one after another with the best mix of gain [P] and newness, from alike [P, P].

    >>> mmr(np.array([1, 0.5, 0.1], np.float32), np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], np.float32), [1, 2, 3], 2)
    [0, 2]
    """
    gain = RELEVANCE * gain
    alike = NEWNESS * alike
    nearest = np.zeros_like(gain)
    value = gain.copy()
    taken: list[int] = []
    of_maker: dict[int, int] = {}
    while len(taken) < min(size, len(gain)):
        pick = int(value.argmax())  # of equal ones the first, and they come best first
        taken.append(pick)
        gain[pick] = -np.inf
        maker = makers[pick]
        of_maker[maker] = of_maker.get(maker, 0) + 1
        if of_maker[maker] == PER_CREATOR and maker >= 0:
            gain[np.equal(makers, maker)] -= CROWDED
        np.maximum(nearest, alike[pick], out=nearest)
        np.subtract(gain, nearest, out=value)
    return taken


def with_draws(
    query: Query, one: Candidates, score: Floats, best: Places, size: int, explore: int, catalogue: Catalogue
) -> Picks:
    """Put two draws at 2/5 and 4/5 of the slate; the others move down, and the last ones out."""
    sure = best[: size - 2]
    pool = sure[:0]
    if size >= LEAST and len(sure) == size - 2:
        pool = explorable(one, score, sure, explore, catalogue)
    if len(pool) < 2:
        return Picks(best, np.ones(len(best)))
    at, chance = sure.tolist(), [1.0] * len(sure)
    for spot, drawn in zip((2 * size // 5, 4 * size // 5), draw_two(query, len(pool)), strict=True):
        at.insert(spot - 1, int(pool[drawn]))
        chance.insert(spot - 1, 1 / len(pool))
    return Picks(np.array(at, np.int64), np.array(chance))


def explorable(one: Candidates, score: Floats, sure: Places, explore: int, catalogue: Catalogue) -> Places:
    """Fresh candidates that are not in the slate and whose creator is not either, by id.

    As no creator of the pool has a place yet, two draws cannot break the cap, and each is uniform.
    """
    fresh = np.flatnonzero(one.sources & np.uint8(1 << explore))
    makers, shown = catalogue.creator[one.rows[fresh]], catalogue.creator[one.rows[sure]]
    barred = (fresh[:, None] == sure).any(axis=1) | ((makers[:, None] == shown).any(axis=1) & (makers >= 0))
    pool: Places = fresh[~barred & np.isfinite(score[fresh])]
    return pool[np.argsort(catalogue.order[one.rows[pool]])]


def draw_two(query: Query, count: int) -> tuple[int, int]:
    """Two different numbers below `count`, each uniform but for 2⁻⁶⁴, from (seed, user, version).

    >>> from ranker.state import EMPTY
    >>> draw_two(Query("ana", 1, 0, EMPTY), 10) == draw_two(Query("ana", 1, 99, EMPTY), 10)
    True
    """
    name = f"{query.seed}\0{query.version}\0{query.user_id}".encode("utf-8", "surrogatepass")
    chance = blake2b(name, digest_size=16, person=b"explore").digest()
    first = int.from_bytes(chance[:8], "little") % count
    second = int.from_bytes(chance[8:], "little") % (count - 1)
    return first, second + (second >= first)
