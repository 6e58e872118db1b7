"""What a feed is: a function from what the process knows to the pipeline that makes its slates."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ranker.catalogue.catalogue import Catalogue
from ranker.learning.parameters import Learned, Parameters
from ranker.pipeline.pipeline import Clock, Pipeline, no_clock
from ranker.retrieval.index import VideoIndex
from ranker.retrieval.sequence import SequenceModel
from schemas.settings.model import Settings


@dataclass(frozen=True)
class FeedContext:
    """What a feed may use; fields are added in later versions, and none is ever taken away.

    parameters  of others' learners, by name
    learned     what the learner, or `freshet train`, has learned by now; it changes in place
    clock       seconds, for the timings of slates
    sequence    what the setting `sequence` names, None where it names none
    """

    catalogue: Catalogue
    index: VideoIndex
    settings: Settings
    parameters: Mapping[str, object] = field(default_factory=dict)
    clock: Clock = no_clock
    learned: Learned = field(default_factory=lambda: Learned(Parameters()))
    sequence: SequenceModel | None = None

    @property
    def slate_size(self) -> int:
        """How many items a slate has."""
        return self.settings.slate_size


Feed = Callable[[FeedContext], Pipeline]
