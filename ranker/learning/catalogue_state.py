"""What is counted of all videos as people meet them, to predict which one somebody finishes next."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.entry import VideoFacts
from ranker.learning.cooccurrence import CoOccurrence
from ranker.learning.engagement import SurfaceEngagement
from ranker.learning.video_rows import VideoRows

Rows = NDArray[np.int64]
Bools = NDArray[np.bool_]

RECENT = 32  # videos of a person's history that count; as many as a profile remembers
COMPANIONS = 12  # the newest of them, which are counted as met together with the next; prototype: more add nothing


class Met(NamedTuple):
    """A video that a person met."""

    video_id: str
    is_finished: bool


class Moment(NamedTuple):
    """Somebody on a surface at a time.

    recent  what they met before, newest last; of a video that was met twice, and of more than RECENT, the newest count
    """

    surface: str
    at_ms: int
    recent: Sequence[Met] = ()


class Recent(NamedTuple):
    """What a person met last, as rows, newest last."""

    rows: Rows  # [n], each once
    is_finished: Bools  # [n]


class CatalogueState:
    """Engagement and co-occurrence of all videos; exposures are taken in one by one, in the order of event time."""

    def __init__(self) -> None:
        self.videos = VideoRows()
        self.engagement = SurfaceEngagement()
        self.together = CoOccurrence()
        self._first_ms: NDArray[np.float64] = np.zeros(0)  # when each video was met first; NaN: not yet
        self._last_ms: NDArray[np.float64] = np.zeros(0)

    def __len__(self) -> int:
        """How many videos there are."""
        return len(self.videos)

    def put(self, video_id: str, facts: VideoFacts) -> int:
        """Make a video known, or change its facts; returns its row."""
        row = self.videos.put(video_id, facts)
        if self.videos.room > len(self._first_ms):
            self._grow(self.videos.room)
        return row

    def finish_later(self, row: int, moment: Moment) -> None:
        """Take in that an exposure, which was taken in as not finished, turned out to be."""
        self.engagement.add_finish(row, moment.surface, moment.at_ms)

    def meet(self, row: int, moment: Moment, *, is_finished: bool) -> None:
        """Take in an exposure: at this moment its person met this video, and finished it or not."""
        companions = self.recent(moment).rows[-COMPANIONS:]
        self.engagement.add(row, moment.surface, is_finished, moment.at_ms)
        self.together.add(row, companions[companions != row], moment.at_ms)
        self._first_ms[row] = np.fmin(self._first_ms[row], moment.at_ms)
        self._last_ms[row] = np.fmax(self._last_ms[row], moment.at_ms)

    def recent(self, moment: Moment) -> Recent:
        """The known ones of what the person met last."""
        found: dict[int, bool] = {}
        row_of = self.videos.row_of
        for met in moment.recent[-RECENT:]:
            row = row_of.get(met.video_id)
            if row is not None:
                found.pop(row, None)
                found[row] = met.is_finished
        return Recent(np.array([*found], np.int64), np.array([*found.values()], np.bool_))

    def since_first_ms(self, at_ms: int) -> NDArray[np.float64]:
        """For how long each video has been met [N]; NaN for those that nobody met."""
        return np.maximum(0, at_ms - self._first_ms[: len(self)])

    def since_last_ms(self, at_ms: int) -> NDArray[np.float64]:
        """How long ago each video was met last [N]; NaN for those that nobody met."""
        return np.maximum(0, at_ms - self._last_ms[: len(self)])

    def _grow(self, room: int) -> None:
        self.engagement.grow(room)
        self.together.grow(room)
        more = np.full(room - len(self._first_ms), np.nan)
        self._first_ms, self._last_ms = np.append(self._first_ms, more), np.append(self._last_ms, more)
