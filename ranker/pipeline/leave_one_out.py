"""Leave one out: what a person's taste would say of a video if they had not met one of their interests."""

from collections.abc import Mapping

import numpy as np

from ranker.catalogue.arrays import Floats, Places
from ranker.pipeline.kernel import calls, switch
from ranker.pipeline.query_features import LIKES_START, QueryFeatures


def without_each(
    query_features: QueryFeatures, query: Places, nearness: Floats, liking: Floats
) -> Mapping[str, Floats]:
    """`similar` and `liking` of M candidates without each interest of their person [I, M].

    query     place in the batch [M]
    nearness  cosines to the interests and to the next, times their strengths [I + 1, M]
    liking    cosines to the mean of the likes [M]
    """
    if switch.is_used():
        of_people = query_features.strengths, query_features.next_strength
        similar, without = calls.without_each(nearness, *of_people, query, liking, query_features.videos)
        return {"similar": similar, "liking": without}
    strengths = np.vstack([query_features.strengths.T, query_features.next_strength])  # [I + 1, B]
    return {
        "similar": _similar(nearness, strengths, query)[:-1],
        "liking": _liking(query_features, query, divided(nearness, strengths.take(query, axis=1))[:-1], liking),
    }


def greatest_of_others(values: Floats) -> Floats:
    """The greatest of the other rows in each column, zero or more [I, M].

    >>> greatest_of_others(np.array([[0.75], [0.5], [-0.25]], np.float32)).ravel().tolist()
    [0.5, 0.75, 0.75]
    """
    greatest = values.argmax(axis=0), np.arange(values.shape[1])
    others, found = values.copy(), np.empty_like(values)
    others[greatest] = 0
    found[:] = values.max(axis=0, initial=0)
    found[greatest] = others.max(axis=0, initial=0)
    return found


def divided(top: Floats, bottom: Floats) -> Floats:
    """Quotients, zero where the divisor is not above zero."""
    quotients: Floats = np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)
    return quotients


def _similar(nearness: Floats, strengths: Floats, query: Places) -> Floats:
    """Strengths are shares of the greatest, so without the strongest interest all others count for more."""
    return divided(greatest_of_others(nearness), greatest_of_others(strengths).take(query, axis=1))


def _liking(query_features: QueryFeatures, query: Places, cosines: Floats, liking: Floats) -> Floats:
    """The cosine to the mean of n likes is the mean of n cosines."""
    likes, interests = query_features.videos[:, LIKES_START:], query_features.interests  # [B, 16], [B, I]
    is_liked = (interests[:, :, None] == likes[:, None]).any(axis=2) & (interests >= 0)
    count = (likes >= 0).sum(axis=1, dtype=np.float32)[query]  # [M]
    others = divided(count * liking - cosines, np.broadcast_to(count - 1, cosines.shape))
    found: Floats = np.where(is_liked[query].T, others, liking)
    return found
