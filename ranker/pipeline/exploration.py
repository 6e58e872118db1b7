"""Exploration: two places of a slate are drawn among fresh videos, with their propensity."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from ranker.catalogue.arrays import Floats, Places
from ranker.catalogue.catalogue import Catalogue
from ranker.pipeline.kernel import calls, switch
from ranker.pipeline.types import Candidates, Query, Selection


def explorable(candidates: Candidates, score: Floats, shown: Places, source: str, catalogue: Catalogue) -> Places:
    """The candidates of a source that are not shown and whose creator is not either, by id.

    As no creator of these has a place yet, two draws cannot exceed the cap of a creator, and each is uniform.
    """
    sources = candidates.sources
    if switch.is_used() and source in sources.names:
        bit, query, rows = sources.names.index(source), candidates.query, candidates.rows
        return calls.explorable(sources.words, bit, score, query, rows, catalogue.creator, shown)
    fresh = sources.contain(source).nonzero()[0]
    is_shown = np.zeros(len(score), np.bool_)
    is_shown[shown[shown >= 0]] = True
    creators = catalogue.creator[candidates.rows]
    shown_creators = np.where(shown >= 0, creators[shown], -1)[candidates.query[fresh]]
    has_place = (creators[fresh][:, None] == shown_creators).any(axis=1) & (creators[fresh] >= 0)
    drawable: Places = fresh[~is_shown[fresh] & ~has_place & np.isfinite(score[fresh])]
    return drawable


def insert_exploration(queries: Sequence[Query], best: Places, pool: Places, pool_query: Places) -> Selection:
    """Put two draws from the pool at 2/5 and 4/5 of each slate; the others move down, and the last two leave."""
    size = best.shape[1]
    starts = pool_query.searchsorted(np.arange(len(best) + 1))
    counts = starts[1:] - starts[:-1]
    explored = ((counts >= 2) & (best[:, size - 3] >= 0)).nonzero()[0]
    pairs = [
        sample_two(queries[q], count) for q, count in zip(explored.tolist(), counts[explored].tolist(), strict=True)
    ]
    drawn = pool[starts[explored][:, None] + np.array(pairs, np.int64).reshape(-1, 2)]
    places, propensity = best.copy(), np.ones(best.shape)
    for rank, draws in zip((2 * size // 5 - 1, 4 * size // 5 - 1), drawn.T, strict=True):
        places[explored, rank + 1 :] = places[explored, rank:-1]
        places[explored, rank] = draws
        propensity[explored, rank] = 1 / counts[explored]
    return Selection(places, propensity)


def sample_two(query: Query, count: int) -> tuple[int, int]:
    """Two different numbers below `count`, each uniform but for 2⁻⁶⁴, from (seed, user, version).

    >>> from ranker.profile.model import EMPTY
    >>> sample_two(Query("ana", 1, 0, EMPTY), 10) == sample_two(Query("ana", 1, 99, EMPTY), 10)
    True
    """
    name = f"{query.seed}\0{query.version}\0{query.user_id}".encode("utf-8", "surrogatepass")
    digest = blake2b(name, digest_size=16, person=b"explore").digest()
    first = int.from_bytes(digest[:8], "little") % count
    second = int.from_bytes(digest[8:], "little") % (count - 1)
    return first, second + (second >= first)
