"""How different the videos of slates are, and how many of them are exploration."""

import time
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from ranker.catalogue.catalogue import Catalogue
from ranker.evaluation.slate_figures import intra_list_distance
from schemas.messages.recommendations import Recommendation
from streams.metrics.measures import Measures
from streams.ranking.step import Answer

INTERVAL_S = 0.2  # between two slates whose videos are compared, which takes as long as a tenth of making one
WINDOW = 1000  # compared slates that the figures are of


class SlateDiversity:
    """Compares the videos of one slate of a batch, at most five times a second.

    catalogue  whose retrieval vectors they are compared by; videos without one are left out
    now_s      a monotonic clock
    """

    def __init__(self, measures: Measures, catalogue: Catalogue, now_s: Callable[[], float] = time.monotonic) -> None:
        self._measures, self._catalogue, self._now_s = measures, catalogue, now_s
        self._compared_s = float("-inf")
        self._newest: deque[tuple[float, float]] = deque(maxlen=WINDOW)  # distance, and share of exploration

    def observe(self, answers: Sequence[Answer]) -> None:
        """Count the places of a batch of slates, and compare the videos of one where that is due."""
        slates = [answer.slate for answer in answers if answer.slate is not None]
        if not slates:
            return
        explored = [explored_in(slate) for slate in slates]
        self._measures.count("freshet_slate_items_total", sum(len(slate.items) for slate in slates))
        self._measures.count("freshet_explored_items_total", sum(explored))
        if (now_s := self._now_s()) - self._compared_s < INTERVAL_S:
            return
        self._compared_s = now_s
        distance = self._distance(slates[0])
        if np.isfinite(distance):
            self._measures.observe("freshet_slate_diversity", [distance])
            self._newest.append((distance, explored[0] / len(slates[0].items)))

    def figures(self) -> dict[str, float]:
        """Of the slates compared last: `diversity`, their mean distance, and `exploration`; nothing before the first.

        Another thread may ask.
        """
        newest = list(self._newest.copy())
        return dict(zip(("diversity", "exploration"), np.mean(newest, axis=0).tolist(), strict=True)) if newest else {}

    def _distance(self, slate: Recommendation) -> float:
        vectors = self._catalogue.take_vectors(self._catalogue.rows([item.video_id for item in slate.items]))
        return intra_list_distance(vectors[vectors.any(axis=1)])


def explored_in(slate: Recommendation) -> int:
    """How many places of a slate were drawn."""
    return sum(item.propensity < 1.0 for item in slate.items)
