"""What an index elsewhere is asked for people: what is near their interests, without what they have met."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.arrays import Rows
from ranker.catalogue.catalogue import Catalogue
from ranker.pipeline.types import Query, QueryBatch
from ranker.profile.model import seen_codes
from ranker.retrieval.index import SearchFilter, Taste

SEEN_LEFT_OUT = 200  # last seen videos of a person; of older ones the filters take care
MOST_BEHIND = 4096  # rows that came since the codes were sorted, of which the filters take care too

Where = Callable[[Query], SearchFilter]


def anything(query: Query) -> SearchFilter:
    """All videos may be found."""
    return SearchFilter()


class Tastes:
    """Makes them for batches of queries.

    where  what else may be found for a query: languages, categories, an age
    """

    def __init__(self, catalogue: Catalogue, where: Where = anything) -> None:
        self._catalogue, self._where = catalogue, where
        self._compactions = -1
        self._by_code: Rows = np.empty(0, np.int32)

    def of(self, batch: QueryBatch, rows: int) -> list[Taste | None]:
        """What to ask for each query of an index that has the first so many rows; None: no interest is in it."""
        interests = np.where(batch.query_features.interests < rows, batch.query_features.interests, -1)
        return [self._taste(*one) for one in zip(batch.queries, interests, self._seen(batch.queries), strict=True)]

    def _taste(self, query: Query, interests: Rows, seen: Sequence[str]) -> Taste | None:
        if not (near := self._ids(interests)):
            return None
        profile, where = query.profile, self._where(query)
        met = {one.video_id for one in chain(profile.watches, profile.likes, profile.skips)}
        hidden = {one.video_id for one in profile.hides}
        return Taste(tuple(near), replace(where, exclude=where.exclude.union(seen, met, hidden)))

    def _ids(self, rows: Rows) -> list[str]:
        return [self._catalogue.ids[row] for row in rows.tolist() if row >= 0]

    def _seen(self, queries: Sequence[Query]) -> list[list[str]]:
        codes = [seen_codes(query.profile)[-SEEN_LEFT_OUT:] for query in queries]
        rows = self._rows_of(np.concatenate(codes))
        return [self._ids(of_query) for of_query in np.split(rows, np.cumsum([*map(len, codes)])[:-1])]

    def _rows_of(self, codes: NDArray[np.uint32]) -> Rows:
        """A row of each code, -1 where none is known."""
        catalogue, known = self._catalogue, len(self._by_code)
        if self._compactions != catalogue.compactions or catalogue.size - known > min(known, MOST_BEHIND):
            self._compactions, known = catalogue.compactions, catalogue.size
            self._by_code = catalogue.code[:known].argsort(kind="stable").astype(np.int32)
        rows = np.full(len(codes), -1, np.int32)
        if known:
            order = codes.argsort()  # neighbours in the table are looked up one after another
            places = catalogue.code[:known].searchsorted(codes[order], sorter=self._by_code)
            rows[order] = self._by_code.take(places, mode="clip")
            rows[catalogue.code[rows] != codes] = -1
        return rows
