"""Rows that nobody is shown any more are given back: re-uploads and withdrawals retire a row each."""

from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.arrays import Rows
from ranker.catalogue.catalogue import COLUMNS, GROWTH, Catalogue
from ranker.catalogue.popularity import TrendCounts
from schemas.messages.trends import Trends

SHARE = 4  # compacted once more than a quarter of the rows is retired
LEAST = GROWTH  # and so many at least
REMEMBERED = 50_000  # videos that are not in the catalogue, and whose popularity is kept for a later upload


def compact(catalogue: Catalogue, withdrawn_since_ms: int = 0) -> bool:
    """Move the videos that may be shown into rows without gaps; False where too few rows are retired.

    Rows get other numbers, so nobody may hold any meanwhile: no slate is in the making.

    withdrawn_since_ms  event time before which withdrawals are forgotten: no older upload arrives any more
    """
    retired = catalogue.size - len(catalogue.row_of)
    if retired < max(LEAST, catalogue.size // SHARE):
        return False
    kept = np.flatnonzero(catalogue.is_active[: catalogue.size])
    _move(catalogue, kept)
    withdrawn = catalogue.withdrawn_ms.items()
    catalogue.withdrawn_ms = {video_id: at_ms for video_id, at_ms in withdrawn if at_ms >= withdrawn_since_ms}
    catalogue.compactions += 1
    catalogue.retirements += 1
    catalogue.reindex()
    return True


def forget_popularity(catalogue: Catalogue, parts: Sequence[Trends | TrendCounts]) -> None:
    """Let go of the popularity of videos that are neither in the catalogue nor counted now, where they are many."""
    known = catalogue.popularity_by_id
    if len(known) > len(catalogue.row_of) + sum(len(part.counts) for part in parts) + REMEMBERED:
        wanted = catalogue.row_of.keys() | {video_id for part in parts for video_id in part.counts}
        catalogue.popularity_by_id = {video_id: counts for video_id, counts in known.items() if video_id in wanted}


def _move(catalogue: Catalogue, kept: NDArray[np.intp]) -> None:
    capacity = (len(kept) // GROWTH + 1) * GROWTH
    for name in COLUMNS:
        column = getattr(catalogue, name)
        moved = np.zeros((capacity, *column.shape[1:]), column.dtype)
        moved[: len(kept)] = column[kept]
        setattr(catalogue, name, moved)
    catalogue.size = len(kept)
    ids, tags, facts = catalogue.ids, catalogue.tags, catalogue.facts
    catalogue.forget_names()
    for number, row in enumerate(kept.tolist()):
        video_id = ids[row]
        catalogue.ids.append(video_id)
        catalogue.tags.append(tags[row])
        catalogue.facts.append(facts[row])
        catalogue.row_of[video_id] = number
    catalogue.creators = _renamed(catalogue.creators, catalogue.creator)
    catalogue.categories = _renamed(catalogue.categories, catalogue.category)
    catalogue.languages = _renamed(catalogue.languages, catalogue.language)
    catalogue.by_creator = {}
    for row, creator in enumerate(catalogue.creator[: len(kept)].tolist()):
        catalogue.by_creator.setdefault(creator, array("i")).append(row)


def _renamed(codes: dict[str, int], column: Rows) -> dict[str, int]:
    """The names that a column still has, with codes without gaps, which are written into it in place."""
    used = np.unique(column[column >= 0])
    named = column >= 0
    column[named] = np.searchsorted(used, column[named])
    names = {code: name for name, code in codes.items()}
    return {names[code]: number for number, code in enumerate(used.tolist()) if code in names}
