"""Field types that several messages share, with their units and bounds."""

from typing import Annotated

from msgspec import Meta

DAY_MS = 86_400_000
YEAR_2000_MS = 946_684_800_000  # an earlier time is seconds mistaken for milliseconds
YEAR_2100_MS = 4_102_444_800_000  # a later one is microseconds mistaken for milliseconds
ID_BYTES = 256

# Said by the published schemas alone: the agents check it for all ids of a message at once, see `why_not_an_id`.
NO_CONTROLS = {"not": {"pattern": r"[\u0000-\u001f\u007f-\u009f]"}}

Id = Annotated[str, Meta(min_length=1, max_length=ID_BYTES)]
CheckedId = Annotated[
    str,
    Meta(min_length=1, max_length=ID_BYTES, description="256 bytes of UTF-8 at most", extra_json_schema=NO_CONTROLS),
]
UserId = Annotated[CheckedId, Meta(description="the person; 256 bytes of UTF-8 at most, no control characters")]
VideoId = Annotated[CheckedId, Meta(description="the video; 256 bytes of UTF-8 at most, no control characters")]
EventId = CheckedId
AtMs = Annotated[int, Meta(ge=YEAR_2000_MS, le=YEAR_2100_MS, description="event time, Unix ms UTC")]
SpanMs = Annotated[int, Meta(ge=0, le=DAY_MS, description="a duration in ms, a day at most")]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Text = Annotated[str, Meta(max_length=100_000)]
Word = Annotated[str, Meta(max_length=ID_BYTES)]


def why_not_an_id(name: str, value: str) -> str | None:
    """Say in a sentence what is wrong with an id, or None: 256 bytes of UTF-8 at most, no control characters.

    >>> why_not_an_id("user_id", "u42") is None
    True
    >>> why_not_an_id("user_id", "a\\nb")
    '$.user_id holds a control character'
    """
    if len(value) <= ID_BYTES and value.isascii() and value.isprintable():
        return None  # each character is a byte
    if len(value.encode("utf-8", "surrogatepass")) > ID_BYTES:
        return f"$.{name} is longer than {ID_BYTES} bytes"
    if any(ch < " " or "\x7f" <= ch <= "\x9f" or "\ud800" <= ch <= "\udfff" for ch in value):
        return f"$.{name} holds a control character"
    return None
