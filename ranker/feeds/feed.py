"""What a feed is: a function from what the process knows to the pipeline that makes its slates."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ranker.catalogue.catalogue import Catalogue
from ranker.learning.parameters import Learned, Parameters
from ranker.pipeline.hydration import vectors_by
from ranker.pipeline.pipeline import Clock, Pipeline, PipelineError, no_clock
from ranker.pipeline.types import Hydrate
from ranker.retrieval.index import RemoteIndex, VideoIndex
from ranker.retrieval.sequence import SequenceModel
from ranker.retrieval.vector_cache import VectorCache
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


def remote_of(context: FeedContext) -> RemoteIndex | None:
    """The index that has the vectors, where this process holds none; None where it holds them."""
    if context.catalogue.holds_vectors:
        return None
    if not isinstance(context.index, RemoteIndex):
        raise PipelineError(f"The index {context.index.name} gives no vectors out, and this process is to hold none.")
    return context.index


def vectors_of(context: FeedContext) -> Hydrate | None:
    """What fetches the vectors of candidates, where this process holds none."""
    if not (remote := remote_of(context)):
        return None
    cache = VectorCache(remote, context.catalogue, context.settings.vector_cache)
    context.catalogue.elsewhere = cache.take
    return vectors_by(cache)


Feed = Callable[[FeedContext], Pipeline]
