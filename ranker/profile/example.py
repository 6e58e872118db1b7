"""Examples: what whoever learns is told of an event. They hold no id of a person."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from ranker.profile.counters import Counters


class Example(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An event that says how somebody took a video, with the person's counters as they were before it."""

    place: int  # offset of the event on its partition of feedback plus its base: grows from example to example
    video_id: str
    at_ms: int
    labels: int  # what no earlier event of the exposure had said, as bits
    is_first: bool  # whether it is the first event of its exposure
    surface: str
    counters: Counters


class Examples(msgspec.Struct, frozen=True, array_like=True):
    """Examples of one partition of feedback, by place: a record of examples.v1."""

    partition: int
    examples: Sequence[Example]


encode_examples = msgspec.msgpack.Encoder().encode
decode_examples = msgspec.msgpack.Decoder(Examples).decode


def joined(examples: Iterable[tuple[str, Example]]) -> Iterator[Example]:
    """One example an exposure: what is said of it within its second joins what its first event says.

    examples  of a batch, with their user ids, in their order
    """
    whole: list[Example] = []
    firsts: dict[tuple[str, str], int] = {}  # where the newest exposure of a person and a video is
    for user_id, one in examples:
        key = user_id, one.video_id
        at = None if one.is_first else firsts.get(key)
        if at is not None and whole[at].at_ms // 1000 == one.at_ms // 1000:
            whole[at] = msgspec.structs.replace(whole[at], labels=whole[at].labels | one.labels)
            continue
        if one.is_first:
            firsts[key] = len(whole)
        whole.append(one)
    return iter(whole)
