"""Examples: what whoever learns is told of an event."""

import msgspec

from ranker.profile.counters import Counters


class Example(msgspec.Struct, frozen=True, gc=False):
    """An event that says how somebody took a video, with the person's counters as they were before it."""

    place: int  # offset of the event on its partition of feedback plus its base: grows from example to example
    video_id: str
    at_ms: int
    labels: int  # what no earlier event of the exposure had said, as bits
    is_first: bool  # whether it is the first event of its exposure
    surface: str
    counters: Counters
