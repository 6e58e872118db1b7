"""Examples: what the learner is told of an event, one record on examples.v1, which is kept for hours."""

from collections.abc import Callable

import msgspec

from ranker.profile.counters import Counters


class Example(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="x1"):
    """An event that says how somebody took a video, with the person's counters as they were before it."""

    place: int  # offset of the event on its partition of feedback plus its base: grows from example to example
    video_id: str
    at_ms: int
    labels: int  # what no earlier event of the exposure had said, as bits
    is_first: bool  # whether it is the first event of its exposure
    surface: str
    counters: Counters


class ExampleError(ValueError):
    """A record that is no example of this format."""


encode: Callable[[Example], bytes] = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Example).decode


def decode(data: bytes) -> Example:
    """Read an example back, or raise ExampleError."""
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ExampleError(f"an example of {len(data)} bytes: {error}") from error
