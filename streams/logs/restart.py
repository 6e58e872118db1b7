"""A replay's state as the agents write it to their topics and read it back."""

from ranker.catalogue.popularity import TrendCounts
from ranker.learning import storage
from ranker.learning.parameters import Learned
from schemas.messages import erasures, trends
from streams.profiles.state import PackedProfiles, PartitionState

NO_LIMIT = 1_000_000_000  # of videos in a record of trends


def restored(partition: int, state: PartitionState, tick: int) -> PartitionState:
    """A partition's state after it went through its bytes."""
    counts = TrendCounts(partition)
    counts.restore(trends.decode_trends(trends.encode(state.trends.record(tick, NO_LIMIT))))
    markers = {code: erasures.decode_marker(erasures.encode(marker)) for code, marker in state.markers.items()}
    return PartitionState(PackedProfiles({**state.profiles.packed}), markers, counts, {**state.event_ids})


def reread(learned: Learned) -> Learned:
    """Learned parameters after they went through their bytes."""
    parameters = storage.load(storage.dump(learned.parameters))
    parameters.version = learned.version
    return Learned(parameters)
