"""Filters: what may be shown to a person. Each says True for the candidates to keep; the pipeline keeps the names."""

import numpy as np

from ranker.catalogue.catalogue import NOBODY, Catalogue
from ranker.pipeline.pair_keys import keys_of
from ranker.pipeline.types import Candidates, Filter, Mask, QueryBatch, Rows
from ranker.profile.history import HiddenItem, Interactions


def active(catalogue: Catalogue) -> Filter:
    """Not withdrawn, nor replaced by a newer upload."""

    def active(batch: QueryBatch, candidates: Candidates) -> Mask:
        return catalogue.is_active[candidates.rows]

    return active


def visible_to_viewer(catalogue: Catalogue) -> Filter:
    """Not limited by the safety gate at the time of the query, unless the person follows the creator."""

    def visible_to_viewer(batch: QueryBatch, candidates: Candidates) -> Mask:
        until = catalogue.restricted_until_ms[candidates.rows]
        keep: Mask = until == 0
        if keep.all():
            return keep
        for place, span in candidates.spans():
            query = batch.queries[place]
            keep[span] = unrestricted(candidates.rows[span], query.now_ms, query.profile.follows, catalogue)
        return keep

    return visible_to_viewer


def unrestricted(rows: Rows, now_ms: int, follows: Interactions, catalogue: Catalogue) -> Mask:
    """Which rows are not limited at this event time, or are by somebody whom the person follows."""
    keep: Mask = catalogue.restricted_until_ms[rows] <= now_ms
    if not keep.all():
        creators = catalogue.creator[catalogue.rows([mark.video_id for mark in follows])]
        keep |= np.isin(catalogue.creator[rows], creators[creators != NOBODY])
    return keep


def unseen(catalogue: Catalogue) -> Filter:
    """Not among the last 512 videos that the person saw."""

    def unseen(batch: QueryBatch, candidates: Candidates) -> Mask:
        return ~batch.query_features.seen.hold(candidates.of, catalogue.code[candidates.rows])

    return unseen


def not_skipped(catalogue: Catalogue) -> Filter:
    """Not skipped lately."""

    def not_skipped(batch: QueryBatch, candidates: Candidates) -> Mask:
        keep = np.ones(len(candidates.rows), np.bool_)
        skipped = keys_of(batch.query_features.skipped.of, catalogue.order[batch.query_features.skipped.rows])
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

    def not_hidden(batch: QueryBatch, candidates: Candidates) -> Mask:
        keep = np.ones(len(candidates.rows), np.bool_)
        for place, span in candidates.spans():
            for hide in batch.queries[place].profile.hides:
                if hide.video_id in catalogue.row_of:
                    keep[span] &= not_like(hide, candidates.rows[span], catalogue)
        return keep

    return not_hidden


def not_own(catalogue: Catalogue) -> Filter:
    """Not made by the person."""

    def not_own(batch: QueryBatch, candidates: Candidates) -> Mask:
        keep = np.ones(len(candidates.rows), np.bool_)
        for place, span in candidates.spans():
            own = catalogue.creators.get(batch.queries[place].user_id)
            if own is not None:
                keep[span] = catalogue.creator[candidates.rows[span]] != own
        return keep

    return not_own


def not_like(hide: HiddenItem, rows: Rows, catalogue: Catalogue) -> Mask:
    """Which rows are not what a person hid."""
    hidden = catalogue.row_of[hide.video_id]
    keep: Mask = rows != hidden
    if hide.scope == "creator" and catalogue.creator[hidden] >= 0:
        keep &= catalogue.creator[rows] != catalogue.creator[hidden]
    elif hide.scope == "tag":
        tags = frozenset(catalogue.tags[hidden])
        keep &= np.array([tags.isdisjoint(catalogue.tags[row]) for row in rows], np.bool_)
    return keep
