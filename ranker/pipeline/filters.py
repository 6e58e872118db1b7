"""Filters: what may be shown to a person. Each returns True for the candidates to keep."""

import numpy as np

from ranker.catalogue.arrays import Mask, Rows
from ranker.catalogue.catalogue import UNNAMED, Catalogue
from ranker.pipeline.pair_keys import keys_of
from ranker.pipeline.types import Candidates, Filter, QueryBatch
from ranker.profile.history import HiddenItem, Interactions


def active(catalogue: Catalogue) -> Filter:
    """Neither withdrawn nor replaced by a newer upload."""

    def active(batch: QueryBatch, candidates: Candidates) -> Mask:
        return catalogue.is_active[candidates.rows]

    return active


def visible_to_viewer(catalogue: Catalogue) -> Filter:
    """Not limited by moderation at the time of the query, unless the person follows the creator."""

    def visible_to_viewer(batch: QueryBatch, candidates: Candidates) -> Mask:
        keep: Mask = catalogue.restricted_until_ms[candidates.rows] == 0
        if keep.all():
            return keep
        for place, span in candidates.spans():
            query = batch.queries[place]
            keep[span] = unrestricted(candidates.rows[span], query.now_ms, query.profile.follows, catalogue)
        return keep

    return visible_to_viewer


def unrestricted(rows: Rows, now_ms: int, follows: Interactions, catalogue: Catalogue) -> Mask:
    """Which rows are not limited at this event time, or are by a creator whom the person follows."""
    keep: Mask = catalogue.restricted_until_ms[rows] <= now_ms
    if not keep.all():
        creators = catalogue.creator[catalogue.rows([follow.video_id for follow in follows])]
        keep |= np.isin(catalogue.creator[rows], creators[creators != UNNAMED])
    return keep


def unseen(catalogue: Catalogue) -> Filter:
    """Not among the last 512 videos that the person saw."""

    def unseen(batch: QueryBatch, candidates: Candidates) -> Mask:
        return ~batch.query_features.seen.contain(candidates.query, catalogue.code[candidates.rows])

    return unseen


def not_skipped(catalogue: Catalogue) -> Filter:
    """Not skipped recently."""

    def not_skipped(batch: QueryBatch, candidates: Candidates) -> Mask:
        keep = np.ones(len(candidates.rows), np.bool_)
        interactions = batch.query_features.skipped
        skipped = keys_of(interactions.query, catalogue.order[interactions.rows])
        places = candidates.keys.searchsorted(skipped)
        inside = places < len(keep)
        places, skipped = places[inside], skipped[inside]
        keep[places[candidates.keys[places] == skipped]] = False
        return keep

    return not_skipped


def not_hidden(catalogue: Catalogue) -> Filter:
    """Not hidden, nor by the creator or with a tag of a video that was hidden with that scope.

    The creator and the tags of a hidden video are unknown once it is withdrawn, and then hide nothing.
    """

    def not_hidden(batch: QueryBatch, candidates: Candidates) -> Mask:
        keep = np.ones(len(candidates.rows), np.bool_)
        for place, span in candidates.spans():
            for hide in batch.queries[place].profile.hides:
                if hide.video_id in catalogue.row_of:
                    keep[span] &= outside_scope(hide, candidates.rows[span], catalogue)
        return keep

    return not_hidden


def outside_scope(hide: HiddenItem, rows: Rows, catalogue: Catalogue) -> Mask:
    """Which rows are neither the hidden video nor hidden with it by their creator or a tag."""
    hidden = catalogue.row_of[hide.video_id]
    keep: Mask = rows != hidden
    if hide.scope == "creator" and catalogue.creator[hidden] != UNNAMED:
        keep &= catalogue.creator[rows] != catalogue.creator[hidden]
    elif hide.scope == "tag":
        tags = frozenset(catalogue.tags[hidden])
        keep &= np.array([tags.isdisjoint(catalogue.tags[row]) for row in rows], np.bool_)
    return keep


def not_own(catalogue: Catalogue) -> Filter:
    """Not uploaded by the person themselves."""

    def not_own(batch: QueryBatch, candidates: Candidates) -> Mask:
        keep = np.ones(len(candidates.rows), np.bool_)
        for place, span in candidates.spans():
            own = catalogue.creators.get(batch.queries[place].user_id)
            if own is not None:
                keep[span] = catalogue.creator[candidates.rows[span]] != own
        return keep

    return not_own
