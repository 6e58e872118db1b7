"""Which video somebody finishes next, among all there are: counts, features and weights, learned online.

Of every moment first the scores are asked, then it is told what happened: `finish` where a video was finished, and
`meet` for each exposure. Exposures come in the order of event time.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.entry import VideoFacts
from ranker.learning.catalogue_state import CatalogueState, Moment
from ranker.learning.clock import ExposureClock
from ranker.learning.next_features import FEATURES, View, feature_table
from ranker.learning.softmax import Softmax

Floats = NDArray[np.float32]


class Prospect(NamedTuple):
    """All videos as somebody may meet them at a moment."""

    view: View
    table: Floats  # [D, N]
    scores: Floats  # [N]


class NextFinish:
    """Predicts, and learns from exposures as they come; what it counts fades by an ExposureClock."""

    def __init__(self) -> None:
        self.state = CatalogueState()
        self.softmax = Softmax(len(FEATURES))
        self._clock = ExposureClock()

    def put(self, video_id: str, facts: VideoFacts) -> int:
        """Make a video known, or change its facts; returns its row, which it keeps."""
        return self.state.put(video_id, facts)

    def prospect(self, moment: Moment) -> Prospect:
        """What speaks for each video at a moment; nothing is changed."""
        view = View(self.state, moment._replace(at_ms=self._clock.at(moment.at_ms)))
        table = feature_table(view)
        return Prospect(view, table, self.softmax.scores(table))

    def finish(self, prospect: Prospect, row: int, met: Iterable[int]) -> None:
        """Learn that of all videos but those that the person had met before, they finished this one.

        prospect  of this moment, after which nothing else was learned
        """
        may_come = np.ones(prospect.view.size, np.bool_)
        may_come[[*met]] = False
        if may_come[row]:
            self.softmax.learn(prospect.table, prospect.scores, may_come, row)

    def meet(self, row: int, moment: Moment, *, is_finished: bool) -> None:
        """Count an exposure."""
        self.state.meet(row, moment._replace(at_ms=self._clock.reach(moment.at_ms)), is_finished=is_finished)

    def finish_later(self, row: int, moment: Moment) -> None:
        """Count that an exposure, which was counted as not finished, turned out to be."""
        self.state.finish_later(row, moment._replace(at_ms=self._clock.at(moment.at_ms)))
