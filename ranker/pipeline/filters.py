"""Filters: what may be shown to a person. Each says True for the candidates to keep; the pipeline keeps the names."""

import numpy as np

from ranker.catalogue.catalogue import NOBODY, Catalogue
from ranker.pipeline.pair_keys import keys_of
from ranker.pipeline.types import Asked, Candidates, Filter, Mask, Rows
from ranker.profile.history import Hidden, Marks


def alive(catalogue: Catalogue) -> Filter:
    """Not withdrawn, nor replaced by a newer upload."""

    def alive(asked: Asked, candidates: Candidates) -> Mask:
        return catalogue.alive[candidates.rows]

    return alive


def fit_for(catalogue: Catalogue) -> Filter:
    """Not limited by the safety gate at the time of the query, unless the person follows the creator."""

    def fit_for(asked: Asked, candidates: Candidates) -> Mask:
        until = catalogue.limited_until[candidates.rows]
        keep: Mask = until == 0
        if keep.all():
            return keep
        for place, span in candidates.spans():
            query = asked.queries[place]
            keep[span] = not_limited(candidates.rows[span], query.now_ms, query.profile.follows, catalogue)
        return keep

    return fit_for


def not_limited(rows: Rows, now_ms: int, follows: Marks, catalogue: Catalogue) -> Mask:
    """Which rows are not limited at this event time, or are by somebody whom the person follows."""
    keep: Mask = catalogue.limited_until[rows] <= now_ms
    if not keep.all():
        creators = catalogue.creator[catalogue.rows([mark.video_id for mark in follows])]
        keep |= np.isin(catalogue.creator[rows], creators[creators != NOBODY])
    return keep


def unseen(catalogue: Catalogue) -> Filter:
    """Not among the last 512 videos that the person saw."""

    def unseen(asked: Asked, candidates: Candidates) -> Mask:
        return ~asked.taste.seen.hold(candidates.of, catalogue.code[candidates.rows])

    return unseen


def not_skipped(catalogue: Catalogue) -> Filter:
    """Not skipped lately."""

    def not_skipped(asked: Asked, candidates: Candidates) -> Mask:
        keep = np.ones(len(candidates.rows), np.bool_)
        skipped = keys_of(asked.taste.skipped.of, catalogue.order[asked.taste.skipped.rows])
        places = candidates.keys.searchsorted(skipped)
        there = places < len(keep)
        places, skipped = places[there], skipped[there]
        keep[places[candidates.keys[places] == skipped]] = False
        return keep

    return not_skipped


def not_hidden(catalogue: Catalogue) -> Filter:
    """Not hidden, nor by the creator or with a tag of a video that was hidden with this scope.

    A hide of a video that was withdrawn since no longer tells its creator or its tags.
    """

    def not_hidden(asked: Asked, candidates: Candidates) -> Mask:
        keep = np.ones(len(candidates.rows), np.bool_)
        for place, span in candidates.spans():
            for hide in asked.queries[place].profile.hides:
                if hide.video_id in catalogue.row_of:
                    keep[span] &= not_like(hide, candidates.rows[span], catalogue)
        return keep

    return not_hidden


def not_own(catalogue: Catalogue) -> Filter:
    """Not made by the person."""

    def not_own(asked: Asked, candidates: Candidates) -> Mask:
        keep = np.ones(len(candidates.rows), np.bool_)
        for place, span in candidates.spans():
            own = catalogue.creators.get(asked.queries[place].user_id)
            if own is not None:
                keep[span] = catalogue.creator[candidates.rows[span]] != own
        return keep

    return not_own


def not_like(hide: Hidden, rows: Rows, catalogue: Catalogue) -> Mask:
    """Which rows are not what a person hid."""
    hidden = catalogue.row_of[hide.video_id]
    keep: Mask = rows != hidden
    if hide.scope == "creator" and catalogue.creator[hidden] >= 0:
        keep &= catalogue.creator[rows] != catalogue.creator[hidden]
    elif hide.scope == "tag":
        tags = frozenset(catalogue.tags[hidden])
        keep &= np.array([tags.isdisjoint(catalogue.tags[row]) for row in rows], np.bool_)
    return keep
