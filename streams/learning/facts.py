"""What the learner knows of the videos: the facts by which it learns, from features.v1."""

from collections.abc import Sequence

from ranker.catalogue.entry import VideoFacts, facts_of
from schemas.messages.videos import Encoded
from schemas.topics import FEATURES, Topic
from streams.kafka.records import Record
from streams.ranking.shared_state import catalogue_record_of


class VideoFactsState:
    """The facts of every video that is known; a withdrawn one is not."""

    topics: Sequence[Topic] = (FEATURES,)
    checked: Sequence[Topic] = (FEATURES,)
    needs = 0

    def __init__(self) -> None:
        self.facts: dict[str, VideoFacts] = {}
        self._withdrawn: dict[str, None] = {}

    def apply(self, records: Sequence[Record]) -> None:
        """Take in records of features.v1."""
        for record in records:
            if (one := catalogue_record_of(record)) is None:
                continue
            if isinstance(one, Encoded):
                self.facts[one.video_id] = facts_of(one)
                self._withdrawn.pop(one.video_id, None)
            else:
                self.facts.pop(one.video_id, None)
                self._withdrawn[one.video_id] = None

    def withdrawn(self) -> list[str]:
        """The videos that were withdrawn since this was asked last."""
        found, self._withdrawn = self._withdrawn, {}
        return [*found]

    def __len__(self) -> int:
        return len(self.facts)
