"""Filters: what may be shown to a person. Each says True for the rows to keep; the pipeline keeps the names."""

import numpy as np

from ranker.candidates import Filter, Mask, Query, Rows
from ranker.catalogue import Catalogue
from ranker.state import seen_codes


def alive(catalogue: Catalogue) -> Filter:
    """Not withdrawn, nor replaced by a newer upload."""

    def alive(query: Query, rows: Rows) -> Mask:
        return catalogue.alive[rows]

    return alive


def unseen(catalogue: Catalogue) -> Filter:
    """Not among the last 512 videos that the person saw."""

    def unseen(query: Query, rows: Rows) -> Mask:
        seen = np.sort(seen_codes(query.profile))
        if not len(seen):
            return np.ones(len(rows), np.bool_)
        codes = catalogue.code[rows]
        keep: Mask = seen.take(seen.searchsorted(codes), mode="clip") != codes
        return keep

    return unseen


def not_skipped(catalogue: Catalogue) -> Filter:
    """Not skipped lately."""

    def not_skipped(query: Query, rows: Rows) -> Mask:
        skipped: Mask = (rows[:, None] == query.taste.skipped).any(axis=1)
        return ~skipped

    return not_skipped


def not_hidden(catalogue: Catalogue) -> Filter:
    """Not hidden, nor by the creator or with a tag of a video that was hidden with this scope.

    A hide of a video that was withdrawn since no longer tells its creator or its tags.
    """

    def not_hidden(query: Query, rows: Rows) -> Mask:
        keep = np.ones(len(rows), np.bool_)
        for hide in query.profile.hides:
            row = catalogue.row_of.get(hide.video_id)
            if row is None:
                continue
            keep &= rows != row
            if hide.scope == "creator" and catalogue.creator[row] >= 0:
                keep &= catalogue.creator[rows] != catalogue.creator[row]
            elif hide.scope == "tag":
                keep &= _without(catalogue, rows, frozenset(catalogue.tags[row]))
        return keep

    return not_hidden


def not_own(catalogue: Catalogue) -> Filter:
    """Not made by the person."""

    def not_own(query: Query, rows: Rows) -> Mask:
        own = catalogue.creators.get(query.user_id)
        return np.ones(len(rows), np.bool_) if own is None else catalogue.creator[rows] != own

    return not_own


def _without(catalogue: Catalogue, rows: Rows, tags: frozenset[str]) -> Mask:
    return np.array([tags.isdisjoint(catalogue.tags[row]) for row in rows], np.bool_)
