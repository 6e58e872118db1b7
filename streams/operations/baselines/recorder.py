"""What baselines are asked, noted while the log is read: exposures, and finishes with whose next one is ranked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranker.evaluation.catalogue_figures import place_of
from ranker.evaluation.page_counts import PageCounts
from ranker.learning.learner import Open, labels_of
from ranker.learning.model import Shown, predict
from streams.operations.baselines.exchange import Exposures, NextFinish
from streams.operations.evaluated_models import Asked

Bools = NDArray[np.bool_]
Floats = NDArray[np.floating]


class Rows(NamedTuple):
    """Some exposures as `Exposures` has them; `page_held` and `features_held` are empty on training days."""

    page: Floats
    page_held: Floats
    features: Floats
    features_held: Floats
    keys: NDArray[np.int64]
    labels: Floats


class ExposureRecorder:
    """Notes the exposures that an evaluation goes over, as each was before it happened."""

    def __init__(self) -> None:
        self._page = PageCounts()
        self._training: list[Rows] = []
        self._tested: list[Rows] = []

    def take(self, asked: Asked, training: Sequence[int], tested: Sequence[int]) -> None:
        """Note a batch: its new exposures by their places, of training days and of test days."""
        opened, shown = asked.batch.opened, asked.batch.shown
        for noted, places, is_tested in ((self._training, training, False), (self._tested, tested, True)):
            if places:
                noted.append(self._rows(asked, places, is_tested))
        self._page.count(opened, shown)

    def exposures(self) -> Exposures:
        """All of them, those of the training days first; there have to be some of both."""
        columns = zip(*self._training, *self._tested, strict=True)
        return Exposures(*(np.concatenate([part for part in column if len(part)]) for column in columns))

    def _rows(self, asked: Asked, places: Sequence[int], is_tested: bool) -> Rows:
        opened: list[Open] = [asked.batch.opened[place] for place in places]
        shown: list[Shown] = [asked.batch.shown[place] for place in places]
        page_held = features_held = np.zeros(0)
        if is_tested:
            page_held = self._page.features(opened, shown, held=True)
            features_held = predict(asked.parameters, [asked.held[place] for place in places]).features
        predicted = asked.batch.predicted
        return Rows(
            self._page.features(opened, shown),
            page_held,
            predicted.features[places].astype(np.float32),
            features_held.astype(np.float32),
            predicted.rows[places],
            np.array([labels_of(one.labels) for one in opened], np.float64),
        )


class Target(NamedTuple):
    """Somebody's next finish, and among which videos it is ranked; masks are packed, eight videos to a byte.

    row         of the video that they finished
    size        how many videos there were
    may_come    those that they had not met
    on_surface  those of them that were met on this surface before
    """

    user_id: str
    row: int
    size: int
    may_come: NDArray[np.uint8]
    on_surface: NDArray[np.uint8]


@dataclass
class NextFinishRecorder:
    """Notes what is finished before the split, and whose next finish is ranked after it."""

    finished: list[tuple[str, int, int]] = field(default_factory=list)  # person, row and time
    targets: list[Target] = field(default_factory=list)

    def finish(self, user_id: str, row: int, at_ms: int) -> None:
        """Note a finish of the training days."""
        self.finished.append((user_id, row, at_ms))

    def ask(self, user_id: str, row: int, may_come: Bools, on_surface: Bools) -> None:
        """Note whose next finish is ranked, among which videos."""
        self.targets.append(
            Target(user_id, row, len(may_come), np.packbits(may_come), np.packbits(on_surface)),
        )

    def next_finish(self) -> NextFinish | None:
        """All of it as arrays, if anybody is asked about; each of them has finished something before."""
        if not self.targets:
            return None
        number: dict[str, int] = {}
        people = [number.setdefault(user_id, len(number)) for user_id, _, _ in self.finished]
        rows = [row for _, row, _ in self.finished]
        videos = max(one.size for one in self.targets)
        return NextFinish(
            np.array(people, np.int64),
            np.array(rows, np.int64),
            np.array([at_ms for _, _, at_ms in self.finished], np.int64),
            np.array([number[one.user_id] for one in self.targets], np.int64),
            np.array([len(number), videos], np.int64),
        )

    def places(self, scores: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where scores [P, V] put what everybody finished: among all that they had not met, and on the surface."""
        among_all, on_surface = np.zeros(len(self.targets)), np.zeros(len(self.targets))
        for place, (one, row) in enumerate(zip(self.targets, scores, strict=True)):
            known = np.asarray(row[: one.size])
            among_all[place] = place_of(one.row, known, unpacked(one.may_come, one.size))
            on_surface[place] = place_of(one.row, known, unpacked(one.on_surface, one.size))
        return among_all, on_surface

    def all_places(self, scores: Mapping[str, Floats]) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """The same of each baseline."""
        return {name: self.places(one) for name, one in scores.items()}


def unpacked(mask: NDArray[np.uint8], size: int) -> Bools:
    """A packed mask as one truth a video.

    >>> unpacked(np.packbits([True, False, True]), 3).tolist()
    [True, False, True]
    """
    return np.unpackbits(mask, count=size).astype(np.bool_)
