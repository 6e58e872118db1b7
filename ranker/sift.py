"""Sifting: from what the sources found for a person to what may be shown, with a reason for the rest."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ranker.candidates import Candidates, Filter, Found, Query, Rows
from ranker.catalogue import Catalogue
from ranker.state import seen_codes

FILL = "fill"  # source of what was taken from the whole catalogue because the sources gave too little
FILL_BIT = 7
AGAIN = "unseen"  # in `degraded`: nothing unseen is left, the oldest-seen videos come back


@dataclass(frozen=True, slots=True)
class Sifted:
    """Candidates of one query, what was dropped by which filter, and what was missing."""

    candidates: Candidates
    dropped: tuple[tuple[str, Rows], ...]
    degraded: tuple[str, ...]
    exhausted: bool  # the whole catalogue holds too little for this person


def sift(query: Query, found: Sequence[Found], filters: Sequence[Filter], catalogue: Catalogue, size: int) -> Sifted:
    """Filter what was found; fill up from the whole catalogue when that leaves fewer than `size`."""
    merged = merge(found)
    kept, dropped = keep(query, merged, filters)
    degraded = tuple(dict.fromkeys(one.missing for one in found if one.missing))
    if len(kept.rows) < size:
        kept = join(kept, fill(query, kept.rows, filters, catalogue, size))
    exhausted = len(kept.rows) < size
    if not len(kept.rows):
        kept = seen_again(query, filters, catalogue, size)
        degraded += (AGAIN,) if len(kept.rows) else ()
    return Sifted(kept, dropped, degraded, exhausted)


def merge(found: Sequence[Found]) -> Candidates:
    """All rows once, sorted; bit i of their sources says that source i found them."""
    rows = np.sort(np.concatenate([one.rows for one in found]))
    first = np.ones(len(rows), np.bool_)
    np.not_equal(rows[1:], rows[:-1], out=first[1:])
    rows = rows[first]
    sources = np.zeros(len(rows), np.uint8)
    for i, one in enumerate(found):
        sources[rows.searchsorted(one.rows)] |= np.uint8(1 << i)
    return Candidates(rows, sources)


def keep(
    query: Query, candidates: Candidates, filters: Sequence[Filter]
) -> tuple[Candidates, tuple[tuple[str, Rows], ...]]:
    """One filter after another; the first that says no is the reason."""
    rows, sources = candidates.rows, candidates.sources
    dropped = []
    for one in filters:
        mask = one(query, rows)
        if not mask.all():
            dropped.append((name_of(one), rows[~mask]))
            rows, sources = rows[mask], sources[mask]
    return Candidates(rows, sources), tuple(dropped)


def fill(query: Query, but: Rows, filters: Sequence[Filter], catalogue: Catalogue, size: int) -> Candidates:
    """What is popular, then what is newest, of all that may be shown and is not there yet."""
    rows = everything(query, filters, catalogue)
    rows = rows[~np.isin(rows, but)]
    best = np.lexsort((catalogue.order[rows], -catalogue.at_ms[rows], -catalogue.ever[rows]))
    return filled(rows[best[: size - len(but)]])


def seen_again(query: Query, filters: Sequence[Filter], catalogue: Catalogue, size: int) -> Candidates:
    """The videos whose last sight is longest ago, when nothing unseen may be shown; still none of the skipped."""
    rows = everything(query, [one for one in filters if name_of(one) != AGAIN], catalogue)
    seen = seen_codes(query.profile)
    sorter = np.argsort(seen, kind="stable")
    at = np.minimum(seen[sorter].searchsorted(catalogue.code[rows]), len(seen) - 1)
    oldest = np.lexsort((catalogue.order[rows], sorter[at] if len(seen) else at))
    return filled(rows[oldest[:size]])


def everything(query: Query, filters: Sequence[Filter], catalogue: Catalogue) -> Rows:
    """All rows that the filters let through."""
    rows = np.flatnonzero(catalogue.alive).astype(np.int32)
    return keep(query, Candidates(rows, np.zeros(len(rows), np.uint8)), filters)[0].rows


def filled(rows: Rows) -> Candidates:
    """Candidates whose source is the whole catalogue."""
    return Candidates(np.sort(rows), np.full(len(rows), 1 << FILL_BIT, np.uint8))


def join(one: Candidates, other: Candidates) -> Candidates:
    """Both, sorted by row."""
    rows = np.concatenate([one.rows, other.rows])
    order = np.argsort(rows)
    return Candidates(rows[order], np.concatenate([one.sources, other.sources])[order])


def name_of(stage: object) -> str:
    """A stage's name."""
    return str(getattr(stage, "__name__", type(stage).__name__))
