"""Selectors: from scores to slates of different videos, with two places for exploration.

Maximal marginal relevance (Carbonell and Goldstein 1998, "The use of MMR, diversity-based reranking for
reordering documents and producing summaries"): each place goes to the best mix of score and newness.
"""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from ranker.candidates import Asked, Candidates, Floats, Picks, Places, Query, Rows, Scores, Selector
from ranker.catalogue import Catalogue

POOL = 96  # the best candidates compete for places; a guess
RELEVANCE = np.float32(0.7)  # a guess
NEWNESS = np.float32(1) - RELEVANCE
PER_CREATOR = 2  # videos of one creator in a slate, as long as there are others; a guess
CROWDED = np.float32(4)  # more than any difference in value: beyond the cap only when nothing else is left
LEAST = 10  # shorter slates do not explore
NOWHERE = -np.inf
BEHIND = 2**63 - 1  # every candidate


def diverse(catalogue: Catalogue, size: int, explore: int = 0) -> Selector:
    """Slates of `size`, with two draws among the candidates of source number `explore`, the fresh ones."""

    def diverse(asked: Asked, candidates: Candidates, scores: Scores) -> Picks:
        if not len(candidates.rows):
            return Picks(np.full((len(asked.queries), size), -1), np.ones((len(asked.queries), size)))
        pool = pools(candidates, scores.score)
        rows = candidates.rows[pool]
        gain = relevance(np.where(pool >= 0, scores.score[pool], NOWHERE))
        places = mmr(gain, cosines(rows, catalogue), makers(rows, catalogue), size)
        best = np.where(places >= 0, pool[np.arange(len(pool))[:, None], places], -1)
        if size < LEAST:
            return Picks(best, np.ones(best.shape))
        chances = explorable(candidates, scores.score, best[:, : size - 2], explore, catalogue)
        return with_draws(asked.queries, best, chances, candidates.of[chances])

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
    alike = NEWNESS * alike
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


def explorable(candidates: Candidates, score: Floats, shown: Places, explore: int, catalogue: Catalogue) -> Places:
    """Fresh candidates that are not shown and whose creator is not either, by id.

    As no creator of these has a place yet, two draws cannot break the cap, and each is uniform.
    """
    fresh = (candidates.sources & np.uint8(1 << explore)).nonzero()[0]
    is_shown = np.zeros(len(score), np.bool_)
    is_shown[shown[shown >= 0]] = True
    creators = catalogue.creator[candidates.rows]
    theirs = np.where(shown >= 0, creators[shown], -1)[candidates.of[fresh]]
    crowded = (creators[fresh][:, None] == theirs).any(axis=1) & (creators[fresh] >= 0)
    drawable: Places = fresh[~is_shown[fresh] & ~crowded & np.isfinite(score[fresh])]
    return drawable


def with_draws(queries: Sequence[Query], best: Places, pool: Places, of: Places) -> Picks:
    """Put two draws from the pool at 2/5 and 4/5 of each slate; the others move down, and the last ones out."""
    size = best.shape[1]
    begins = of.searchsorted(np.arange(len(best) + 1))
    sizes = begins[1:] - begins[:-1]
    draws = ((sizes >= 2) & (best[:, size - 3] >= 0)).nonzero()[0]
    two = [draw_two(queries[q], count) for q, count in zip(draws.tolist(), sizes[draws].tolist(), strict=True)]
    drawn = pool[begins[draws][:, None] + np.array(two, np.int64).reshape(-1, 2)]
    at, chance = best.copy(), np.ones(best.shape)
    for spot, ones in zip((2 * size // 5 - 1, 4 * size // 5 - 1), drawn.T, strict=True):
        at[draws, spot + 1 :] = at[draws, spot:-1]
        at[draws, spot] = ones
        chance[draws, spot] = 1 / sizes[draws]
    return Picks(at, chance)


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
