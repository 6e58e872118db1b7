"""Trends: decayed counts of distinct people per video, one record a profiles partition on trends.v1."""

from typing import Annotated

import msgspec
from msgspec import Meta

from schemas.messages.fields import YEAR_2100_MS, VideoId
from schemas.messages.recommendations import NonNegativeInt

Second = Annotated[int, Meta(ge=0, le=YEAR_2100_MS // 1000)]
Count = Annotated[int, Meta(ge=0, le=2**56)]  # so that those of a hundred partitions add up in 63 bits


class Trends(msgspec.Struct, frozen=True, kw_only=True):
    """Decayed counts of distinct people per video of one profiles partition, at one tick.

    `counts` maps a video to [this period, the period before, ever]. The first two grow by 2**(age/half-life)
    fixed-point steps (forward decay), so that partitions add up exactly.
    """

    partition: NonNegativeInt
    tick: Second  # of event time
    period: Second
    counts: dict[VideoId, tuple[Count, Count, Count]]
    applied: dict[NonNegativeInt, int] = {}  # input partition → offset that is counted
    topic_ids: list[str] = []  # of feedback.v1 and of each topic of its name that was deleted before it, newest last


decode_trends = msgspec.json.Decoder(Trends).decode
encode = msgspec.json.Encoder().encode
