"""An index elsewhere that is exact and always answers, unless it is told not to: for who holds no vectors."""

from collections.abc import Sequence
from dataclasses import replace

from ranker.catalogue.arrays import Vectors
from ranker.catalogue.catalogue import Catalogue
from ranker.retrieval.exact import ExactIndex
from ranker.retrieval.index import Coverage, Taste


class ExactRemote(ExactIndex):
    """The exact index over a catalogue of its own, that holds vectors."""

    def __init__(self, catalogue: Catalogue, rows: int | None = None) -> None:
        super().__init__(catalogue)
        self.rows, self.is_away, self.generation = rows, False, "one"
        self.asked: list[list[str]] = []  # for vectors

    @property
    def coverage(self) -> Coverage:
        return Coverage(self.generation, self.catalogue.size if self.rows is None else self.rows)

    async def near_people(self, tastes: Sequence[Taste], k: int) -> list[list[str] | None]:
        return [None if self.is_away else await self._near(taste, k) for taste in tastes]

    async def vectors(self, video_ids: Sequence[str]) -> dict[str, Vectors | None]:
        self.asked.append([*video_ids])
        row_of = self.catalogue.row_of
        held = {one: self.catalogue.vectors[row_of[one]] if one in row_of else None for one in video_ids}
        return {} if self.is_away else held

    async def _near(self, taste: Taste, k: int) -> list[str]:
        own = taste.where.exclude.union(taste.near)
        rows = self.catalogue.rows(taste.near)
        hits = await self.near(self.catalogue.vectors[rows], k, replace(taste.where, exclude=own))
        return [*dict.fromkeys(video_id for hit in hits for video_id in hit.video_ids)]
