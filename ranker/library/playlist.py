"""Playlists: a sequence for one person, with or without a theme, in which each video leads to the next.

After the greedy walk of maximal marginal relevance (Carbonell and Goldstein 1998), pulled on by the video before.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranker.library.library import RETRIEVAL, Vectors, VideoLibrary, admits
from ranker.retrieval.index import SearchFilter
from schemas.messages.videos import Encoded

RELEVANCE, COHERENCE = 1.0, 0.4  # of the theme and the person's interests; of the video before; guesses
TWIN = 0.95  # a cosine from which on a video says what an earlier one has said
APART = 2  # places between two videos of one creator, while there are others


class Step(NamedTuple):
    """One place of a playlist: how much the video fits the theme, the person's interests, and the video before."""

    video: Encoded
    theme: float
    interest: float
    follows: float


class Wish(NamedTuple):
    """What a playlist is made for.

    interests  float32 [I, 256], what the person likes; may be empty
    theme      float32 [384], the text's vector, or None
    exclude    videos that may not come
    """

    interests: Vectors
    theme: Vectors | None = None
    exclude: frozenset[str] = frozenset()


def playlist(gallery: VideoLibrary, wish: Wish, k: int, where: SearchFilter | None = None) -> list[Step]:
    """Up to k different videos, the most fitting first; ties by id, and the same wish gives the same list."""
    videos, rows = gallery.column(RETRIEVAL)
    fits = admits(where)
    allowed = [place for place, video in enumerate(videos) if fits(video) and video.video_id not in wish.exclude]
    if not allowed or k < 1:
        return []
    videos, rows = [videos[place] for place in allowed], rows[allowed]
    theme = _theme(gallery, videos, wish.theme)
    interest = (rows @ wish.interests.T).max(axis=1) if len(wish.interests) else np.zeros(len(rows), np.float32)
    value = RELEVANCE * (_spread(theme) + _spread(interest))
    return _walk(videos, rows, value, (theme, interest), k)


def _walk(
    videos: Sequence[Encoded], rows: Vectors, value: Vectors, told: tuple[Vectors, Vectors], k: int
) -> list[Step]:
    steps: list[Step] = []
    left = np.ones(len(videos), np.bool_)
    before = np.zeros(len(videos), np.float32)
    while len(steps) < k and left.any():
        apart = left & ~_crowded(videos, [step.video for step in steps[-APART:]])
        worth = np.where(apart if apart.any() else left, value + COHERENCE * before, -np.inf)
        place = int(worth.argmax())  # of equal ones the first, and they come by id
        theme, interest = (float(of[place]) for of in told)
        steps.append(Step(videos[place], round(theme, 3), round(interest, 3), round(float(before[place]), 3)))
        before = rows @ rows[place]
        left &= before < TWIN
        left[place] = False
    return steps


def _theme(gallery: VideoLibrary, videos: Sequence[Encoded], wanted: Vectors | None) -> Vectors:
    """How near each video's text is to the theme [N]; 0 where it has none."""
    if wanted is None:
        return np.zeros(len(videos), np.float32)
    score_of = {hit.video.video_id: hit.score for hit in gallery.near(wanted, "text", len(gallery.videos))}
    return np.array([score_of.get(video.video_id, 0.0) for video in videos], np.float32)


def _spread(scores: Vectors) -> Vectors:
    """Scores over 0..1, so that theme and interests weigh the same; all 0 where they do not differ."""
    width = scores.max() - scores.min()
    return (scores - scores.min()) / width if width > 0 else np.zeros_like(scores)


def _crowded(videos: Sequence[Encoded], lately: Sequence[Encoded]) -> NDArray[np.bool_]:
    """Which videos are by somebody who had a place lately."""
    makers = {video.creator_id for video in lately} - {None}
    return np.array([video.creator_id in makers for video in videos], np.bool_)
