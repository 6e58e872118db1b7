"""One person who likes everything of a subject hardly changes what others are shown, however young the model is."""

from collections.abc import Iterator, Sequence

import numpy as np

from ranker.learning.fields import Exposure, hour_of
from ranker.learning.model import Floats, Prediction, Shown, predict
from ranker.learning.parameters import Parameters
from ranker.profile.outcomes import HEADS
from ranker.simulation.world import simulated_log
from schemas.messages import feedback
from schemas.messages.fields import DAY_MS
from schemas.messages.videos import Upload
from schemas.settings.model import Settings
from streams.demo.log import lines_of
from streams.logs.jsonl import Fault, Line, read_log
from streams.operations.log_learner import LogLearner
from tests.support.events import NOON, liked

LIKE = HEADS.index("like")
EVENTS, PEOPLE, VIDEOS = 1500, 60, 400  # as the playground has them
END = NOON + 3 * DAY_MS
LIKES = 20


class Young:
    """A model that has learned a simulated log, and the videos of two subjects."""

    def __init__(self) -> None:
        self.parameters = Parameters()
        self.learner = LogLearner(Settings(), self.parameters)
        log = [*simulated_log(1, PEOPLE, VIDEOS, EVENTS, NOON)]
        self.take(lines_of(log))
        uploads = [one for one in log if isinstance(one, Upload)]
        self.astronomy, self.gaming = (
            [one.video_id for one in uploads if one.category == kind] for kind in ("astronomy", "gaming")
        )

    def take(self, lines: Iterator[Line | Fault]) -> None:
        """Learn from lines."""
        for _ in self.learner.batches(lines):
            pass

    def likes(self, user: str, videos: Sequence[str], at_ms: int) -> None:
        """Somebody likes videos, one every three seconds, without watching them."""
        events = (liked(user, video, at_ms + 3000 * n) for n, video in enumerate(videos))
        self.take(read_log(feedback.encode(event) for event in events))

    def predict(self, user: str, videos: Sequence[str]) -> Prediction:
        """What is predicted of somebody's next exposures."""
        counters, facts, at_ms = self.learner.profile(user).counters, self.learner.facts, END + 10 * 60_000
        shown = [Exposure(video, facts[video], counters.surfaces[-1].surface, hour_of(at_ms)) for video in videos]
        return predict(self.parameters, [Shown(one, counters, at_ms) for one in shown])


def shifts() -> tuple[Floats, Floats]:
    """By how much the log-odds of another person rise: without what is the same for all videos of them, and in all."""
    young = Young()
    young.likes("ana", young.gaming[:3], END)
    others = young.astronomy[LIKES:]
    before = young.predict("ana", others)
    young.likes("bot", young.astronomy[:LIKES], END + 60_000)
    after = young.predict("ana", others)
    return after.rank - before.rank, after.logits - before.logits


def test_twenty_likes_of_one_person_do_not_make_everybody_like_the_subject() -> None:
    rank, whole = shifts()
    assert 0.1 < np.mean(rank[:, LIKE]) < 0.7  # that person is learned from, too
    assert np.mean(whole[:, LIKE]) < 1.0
