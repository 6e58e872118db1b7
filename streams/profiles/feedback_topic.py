"""Which topic the stored offsets of feedback.v1 are of: one that was deleted and made again begins at offset 0.

A profile holds offsets, not topics: those of the second topic of the name are stored above all of the first one's
(`offset_base`). How many there were is kept with the trends of each partition, which hold such offsets too.
"""

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from ranker.profile.codec import ProfileError, pack, unpack
from ranker.profile.model import OFFSET_BITS, Profile, offset_base


def topic_ids(known: Sequence[str], present: str) -> list[str]:
    """The ids of all topics of the name, newest last; the present one may not be known.

    A worker that was frozen may still name an earlier one: the newest stays the newest.

    >>> topic_ids(["a"], "a"), topic_ids(["a"], "b"), topic_ids(["a"], ""), topic_ids(["a", "b"], "a")
    (['a'], ['a', 'b'], ['a'], ['a', 'b'])
    """
    return [*known] if not present or present in known else [*known, present]


def unnamed_topics(packed: Mapping[str, bytes], partition: int, end: int) -> list[str]:
    """An empty id for each topic before the present one, by the stored offsets, where nobody has kept the ids.

    end  of the partition at present: who applied a later offset did so in another topic
    """
    highest = max((one.applied.get(partition, -1) for _, one in _readable(packed)), default=-1)
    before = max(0, highest) >> OFFSET_BITS
    return [""] * (before + (highest >= offset_base(before) + end))


def cut_back(packed: Mapping[str, bytes], partition: int, end: int) -> dict[str, bytes]:
    """The profiles that applied what is cut off their partition's log, as they are stored without that.

    end  of what is left, counted from the topic's base
    """
    beyond = ((user_id, one) for user_id, one in _readable(packed) if one.applied.get(partition, -1) >= end)
    return {user_id: pack(replace(one, applied={**one.applied, partition: end - 1})) for user_id, one in beyond}


def _readable(packed: Mapping[str, bytes]) -> Iterator[tuple[str, Profile]]:
    for user_id, data in packed.items():
        try:
            yield user_id, unpack(data)
        except ProfileError:
            continue  # it starts again from empty when its person's next event comes
