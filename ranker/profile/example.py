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
    first: int = -1  # place of the first example of its exposure, where that is of the same batch and second; else −1


class Examples(msgspec.Struct, frozen=True, array_like=True):
    """Examples of one partition of feedback, by place: a record of examples.v1."""

    partition: int
    examples: Sequence[Example]


encode_examples = msgspec.msgpack.Encoder().encode
decode_examples = msgspec.msgpack.Decoder(Examples).decode


def linked(examples: Iterable[tuple[str, Example]]) -> Iterator[Example]:
    """Examples without their people: what is said of an exposure within its second names the exposure's first example.

    examples  of a batch, with their user ids, in their order
    """
    firsts: dict[tuple[str, str], Example] = {}  # of the newest exposure of a person and a video
    for user_id, one in examples:
        key = user_id, one.video_id
        if one.is_first:
            firsts[key] = one
        elif (first := firsts.get(key)) is not None and first.at_ms // 1000 == one.at_ms // 1000:
            one = msgspec.structs.replace(one, first=first.place)
        yield one


def joined(examples: Iterable[Example]) -> list[Example]:
    """One example an exposure: what names another one of these adds its labels to that.

    A crash may cut batches anew, and then one of the two may have been learned from already: so whoever learns puts
    them together, and of what is new alone.

    examples  of one partition, in their order
    """
    whole: dict[int, Example] = {}
    for one in examples:
        first = whole.get(one.first)
        if first is None or first.labels & one.labels:  # said twice, with another video in between: it counts twice
            whole[one.place] = one
        else:
            whole[one.first] = msgspec.structs.replace(first, labels=first.labels | one.labels)
    return [*whole.values()]
