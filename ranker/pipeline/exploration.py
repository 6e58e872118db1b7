"""Exploration: two places of a slate are drawn among fresh videos, with their propensity."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from ranker.catalogue.catalogue import Catalogue
from ranker.pipeline.types import Candidates, Floats, Places, Query, Selection


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


def insert_exploration(queries: Sequence[Query], best: Places, pool: Places, of: Places) -> Selection:
    """Put two draws from the pool at 2/5 and 4/5 of each slate; the others move down, and the last ones out."""
    size = best.shape[1]
    begins = of.searchsorted(np.arange(len(best) + 1))
    sizes = begins[1:] - begins[:-1]
    draws = ((sizes >= 2) & (best[:, size - 3] >= 0)).nonzero()[0]
    two = [sample_two(queries[q], count) for q, count in zip(draws.tolist(), sizes[draws].tolist(), strict=True)]
    drawn = pool[begins[draws][:, None] + np.array(two, np.int64).reshape(-1, 2)]
    at, chance = best.copy(), np.ones(best.shape)
    for spot, ones in zip((2 * size // 5 - 1, 4 * size // 5 - 1), drawn.T, strict=True):
        at[draws, spot + 1 :] = at[draws, spot:-1]
        at[draws, spot] = ones
        chance[draws, spot] = 1 / sizes[draws]
    return Selection(at, chance)


def sample_two(query: Query, count: int) -> tuple[int, int]:
    """Two different numbers below `count`, each uniform but for 2⁻⁶⁴, from (seed, user, version).

    >>> from ranker.profile.model import EMPTY
    >>> sample_two(Query("ana", 1, 0, EMPTY), 10) == sample_two(Query("ana", 1, 99, EMPTY), 10)
    True
    """
    name = f"{query.seed}\0{query.version}\0{query.user_id}".encode("utf-8", "surrogatepass")
    chance = blake2b(name, digest_size=16, person=b"explore").digest()
    first = int.from_bytes(chance[:8], "little") % count
    second = int.from_bytes(chance[8:], "little") % (count - 1)
    return first, second + (second >= first)
