"""Playlists: a sequence for one person, with or without a theme, in which each video leads to the next.

Greedy like maximal marginal relevance (Carbonell and Goldstein 1998), with a term for coherence with the video before.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.arrays import Vectors
from ranker.library.library import RETRIEVAL, VideoLibrary, admits
from ranker.retrieval.index import SearchFilter
from schemas.messages.videos import Encoded

RELEVANCE = 1.0  # weight of the theme and of the person's interests; a guess
COHERENCE = 0.4  # weight of the similarity to the video before; a guess
DUPLICATE_COSINE = 0.95  # from here on two videos count as the same
CREATOR_GAP = 2  # places between two videos of one creator, while there are others


class Step(NamedTuple):
    """One place of a playlist: the video, and its cosine to the theme, the person's interests and the video before."""

    video: Encoded
    theme: float
    interest: float
    follows: float


class Wish(NamedTuple):
    """The request for a playlist.

    interests  float32 [I, 256], vectors of videos that the person likes; may be empty
    theme      float32 [384], the text's embedding, or None
    exclude    videos that may not be in it
    """

    interests: Vectors
    theme: Vectors | None = None
    exclude: frozenset[str] = frozenset()

    @property
    def is_empty(self) -> bool:
        """Whether it asks for nothing."""
        return self.theme is None and not len(self.interests)


def playlist(library: VideoLibrary, wish: Wish, k: int, where: SearchFilter | None = None) -> list[Step]:
    """Up to k different videos, the most relevant first; ties by id, and the same wish gives the same list."""
    videos, rows = library.column(RETRIEVAL)
    allows = admits(where)
    allowed = [place for place, video in enumerate(videos) if allows(video) and video.video_id not in wish.exclude]
    if not allowed or k < 1:
        return []
    videos, rows = [videos[place] for place in allowed], rows[allowed]
    theme = _theme_scores(library, videos, wish.theme)
    interest = (rows @ wish.interests.T).max(axis=1) if len(wish.interests) else np.zeros(len(rows), np.float32)
    value = RELEVANCE * (_scaled(theme) + _scaled(interest))
    return _walk(videos, rows, value, (theme, interest), k)


def _walk(
    videos: Sequence[Encoded], rows: Vectors, value: Vectors, shown: tuple[Vectors, Vectors], k: int
) -> list[Step]:
    """Choose one video after another; `shown` are the unscaled scores of theme and interest."""
    steps: list[Step] = []
    left = np.ones(len(videos), np.bool_)
    similarity = np.zeros(len(videos), np.float32)  # to the video before
    while len(steps) < k and left.any():
        apart = left & ~_by_recent_creator(videos, [step.video for step in steps[-CREATOR_GAP:]])
        gain = np.where(apart if apart.any() else left, value + COHERENCE * similarity, -np.inf)
        place = int(gain.argmax())  # of equal ones the first, and they are ordered by id
        theme, interest = (float(scores[place]) for scores in shown)
        steps.append(Step(videos[place], round(theme, 3), round(interest, 3), round(float(similarity[place]), 3)))
        similarity = rows @ rows[place]
        left &= similarity < DUPLICATE_COSINE
        left[place] = False
    return steps


def _theme_scores(library: VideoLibrary, videos: Sequence[Encoded], theme: Vectors | None) -> Vectors:
    """The cosine of each video's text to the theme [N]; 0 if either is missing."""
    if theme is None:
        return np.zeros(len(videos), np.float32)
    score_of = {hit.video.video_id: hit.score for hit in library.near(theme, "text", len(library.videos))}
    return np.array([score_of.get(video.video_id, 0.0) for video in videos], np.float32)


def _scaled(scores: Vectors) -> Vectors:
    """Scores scaled to 0..1, so that theme and interests weigh the same; all 0 if they do not differ."""
    width = scores.max() - scores.min()
    return (scores - scores.min()) / width if width > 0 else np.zeros_like(scores)


def _by_recent_creator(videos: Sequence[Encoded], recent: Sequence[Encoded]) -> NDArray[np.bool_]:
    """Which videos have a creator with one of the recent places."""
    creators = {video.creator_id for video in recent} - {None}
    return np.array([video.creator_id in creators for video in videos], np.bool_)
