"""Examples as the profiles agent writes them, and parameters to compare."""

from collections.abc import Iterable, Sequence

import numpy as np

from ranker.catalogue.entry import VideoFacts, facts_of
from ranker.learning.fields import FIELD_NAMES
from ranker.learning.learner import labels_of
from ranker.learning.parameters import Parameters
from ranker.learning.publication import Change, Publication, Subscription
from ranker.learning.storage import dump
from ranker.profile.example import Example, Examples, encode_examples, linked
from ranker.profile.fold import fold_batch
from ranker.profile.outcomes import HEADS
from schemas.messages.feedback import Feedback
from schemas.messages.fields import DAY_MS
from schemas.messages.videos import Encoded
from streams.kafka.records import Record
from streams.kafka.sends import Stage
from streams.learning.step import LearnerState
from tests.support.catalogues import kitchen_and_garden
from tests.support.events import NOON, arrivals, skipped, watched

VIDEOS = [one for one in kitchen_and_garden(12) if isinstance(one, Encoded)]
FACTS: dict[str, VideoFacts] = {one.video_id: facts_of(one) for one in VIDEOS}
EXAMPLES = "freshet.examples.v1"


def events(count: int, first: int = 0) -> list[Feedback]:
    """So many events, four a second: cooking is finished, gardening is skipped."""
    found: list[Feedback] = []
    for n in range(first, first + count):
        video = VIDEOS[7 * n % len(VIDEOS)].video_id
        make = watched if video.startswith("cook") else skipped
        found.append(make(f"p{n % 20}", video, NOON + 250 * n, surface=("feed", "search")[n % 2]))
    return found


def examples(happened: Iterable[Feedback]) -> list[Example]:
    """What is learned of events, all of new people."""
    return [*linked(fold_batch({}, arrivals(happened), DAY_MS, for_learning=True).examples)]


def records(found: Sequence[Example], size: int, partition: int = 0) -> list[Record]:
    """Records of examples.v1 of one partition of feedback, with so many examples each."""
    parts = [found[start : start + size] for start in range(0, len(found), size)]
    values = [encode_examples(Examples(partition, part)) for part in parts]
    return [Record(EXAMPLES, 0, n, NOON, str(partition).encode(), value) for n, value in enumerate(values)]


def new_state() -> LearnerState:
    """Of a learner that begins."""
    parameters = Parameters()
    return LearnerState(parameters, Publication(parameters))


def written(stages: Iterable[Stage]) -> list[tuple[str, bytes]]:
    """What a topic gets of stages, in its order."""
    sent = (one for stage in stages for send in stage for one in send.records)
    return [((one.key or b"").decode(), one.value or b"") for one in sent]


def compacted(log: Iterable[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """A log in which each key's newest record is left."""
    newest: dict[str, bytes] = {}
    for key, value in log:
        newest.pop(key, None)
        newest[key] = value
    return [*newest.items()]


def read_back(log: Iterable[tuple[str, bytes]], *, keep: bool = False) -> Subscription:
    """Whoever reads all of a log."""
    found = Subscription(Parameters(), keep=keep)
    found.apply(log)
    return found


def content(parameters: Parameters) -> bytes:
    """All parameters as bytes: the same ones give the same bytes."""
    return dump(parameters)


def totals(examples: Iterable[Example]) -> list[int]:
    """What examples come to when each is learned once: exposures, then how many had each label."""
    found = [0] * (1 + len(HEADS))
    for one in examples:
        found[0] += one.is_first
        for head, label in enumerate(labels_of(one.labels), 1):
            found[head] += label
    return found


def of_all_videos(parameters: Parameters) -> list[int]:
    """The same counts, added up over the rows of all videos: the totals, unless rows are missing or of another time."""
    rows = [row for row, (field, _) in enumerate(parameters.keys) if field == FIELD_NAMES.index("video")]
    return [round(count) for count in parameters.counts[rows].sum(axis=0).tolist()]


def are_same(one: Parameters, other: Parameters) -> bool:
    """Whether two are the same in everything that is learned; quicker than their content."""
    rows, names = len(one.keys), ("effect", "variance", "counts")
    parts = [(getattr(one, name)[:rows], getattr(other, name)[:rows]) for name in names]
    parts += [(getattr(one, name), getattr(other, name)) for name in ("totals", "weights", "covariance")]
    return one.keys == other.keys and one.tick == other.tick and all(np.array_equal(*both) for both in parts)


def as_log(change: Change) -> list[tuple[str, bytes]]:
    """A change as it is written."""
    return [*change.blocks, change.manifest]
