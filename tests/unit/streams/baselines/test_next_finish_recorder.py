"""Next finishes as baselines are asked about them."""

import numpy as np

from streams.operations.baselines.recorder import NextFinishRecorder
from tests.support.events import minute


def test_places_are_among_what_could_come_then_and_ties_count_half() -> None:
    recorder = NextFinishRecorder()
    recorder.finish("ana", 0, minute(1))
    all_but_the_first = np.array([False, True, True, True])
    recorder.ask("ana", 2, all_but_the_first, np.array([False, False, True, True]))
    recorder.finish("ben", 1, minute(2))
    recorder.ask("ben", 0, np.array([True, False, True]), np.zeros(3, np.bool_))  # before there was a fourth video
    among_all, on_surface = recorder.places(np.array([[9.0, 5.0, 5.0, 7.0], [1.0, 9.0, 2.0, 8.0]]))
    assert among_all.tolist() == [1.5, 1.0]
    assert on_surface.tolist() == [1.0, float("inf")]
    asked = recorder.next_finish()
    assert asked and (asked.targets.tolist(), asked.sizes.tolist()) == ([0, 1], [2, 4])
    assert NextFinishRecorder().next_finish() is None
