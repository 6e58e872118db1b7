"""Outcomes: what an event says about how a person took a video, as the labels that the ranking predicts."""

from ranker.profile.history import RATED_BAD, RATED_GOOD, WHOLE_MS
from schemas.messages.feedback import Feedback, Impression, Like, Rate, Search, Skip, Watch

HEADS = ("finish", "like", "skip")  # what is predicted, in the order of labels everywhere
FINISHED, LIKED, SKIPPED = 1, 2, 4  # labels of an exposure, as bits
LABELS = FINISHED | LIKED | SKIPPED
MET = 8  # bit beside the labels: an event that ends a meeting with a video, a watch, a skip or a rating


def outcome_of(event: Feedback) -> int | None:
    """What an event says of its video, as bits; None where it shows nothing of how it was taken.

    A video is finished when all of it was watched, or 18 s of a longer one; of an unknown length that says nothing.

    >>> outcome_of(Watch(user_id="ana", video_id="v1", at_ms=1650000000000, watched_ms=18_000, duration_ms=36_000))
    9
    """
    # Asked for every event, and frequent kinds come first.
    if type(event) is Watch:
        whole_ms = event.duration_ms
        return MET | FINISHED if whole_ms and event.watched_ms >= min(whole_ms, WHOLE_MS) else MET
    if type(event) is Skip:
        return MET | SKIPPED
    if type(event) is Like:
        return LIKED
    if type(event) is Rate:
        return MET | (LIKED if event.value >= RATED_GOOD else SKIPPED if event.value <= RATED_BAD else 0)
    return None if type(event) is Impression or type(event) is Search else 0
