"""What a catalogue knows of its videos by name, in few bytes a video: for processes that hold no vectors.

Python's lists and dict are quicker, and take some 600 bytes a video.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Protocol, TypeVar
from zlib import crc32

from ranker.catalogue.arrays import Rows
from ranker.catalogue.entry import MORE_TAGS, VideoFacts

T = TypeVar("T")

FREE, GONE = -1, -2  # entries of the table of rows
LEAST = 1024


class ByRow(Protocol[T]):
    """What is known of the video of each row: a list, or one of the columns below."""

    def append(self, value: T, /) -> None: ...
    def __getitem__(self, row: int, /) -> T: ...
    def __len__(self) -> int: ...


class Ids:
    """Video ids by row, as UTF-8 one after another."""

    def __init__(self) -> None:
        self._bytes, self._ends = bytearray(), array("I", [0])

    def append(self, video_id: str) -> None:
        """Add the id of the next row."""
        self._bytes += video_id.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._bytes))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, row: int) -> str:
        return self._bytes[self._ends[row] : self._ends[row + 1]].decode("utf-8", "surrogatepass")


class Words:
    """Numbers of words that many videos have: creators, tags, music."""

    def __init__(self) -> None:
        self._number: dict[str | None, int] = {None: 0}
        self._words: list[str | None] = [None]

    def number(self, word: str | None) -> int:
        """The number of a word, a new one if need be."""
        number = self._number.setdefault(word, len(self._words))
        if number == len(self._words):
            self._words.append(word)
        return number

    def __getitem__(self, number: int) -> str | None:
        return self._words[number]


class Tags:
    """The tags of videos by row."""

    def __init__(self, words: Words) -> None:
        self._words, self._numbers, self._ends = words, array("i"), array("I", [0])

    def append(self, tags: tuple[str, ...]) -> None:
        """Add the tags of the next row."""
        self._numbers.extend(map(self._words.number, tags))
        self._ends.append(len(self._numbers))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, row: int) -> tuple[str, ...]:
        numbers = self._numbers[self._ends[row] : self._ends[row + 1]]
        return tuple(word for number in numbers if (word := self._words[number]) is not None)


class Facts:
    """The facts of videos by row."""

    WIDTH = 4 + MORE_TAGS

    def __init__(self, words: Words) -> None:
        self._words, self._numbers = words, array("i")

    def append(self, facts: VideoFacts) -> None:
        """Add the facts of the next row."""
        more = (*facts.more_tags, *[None] * (MORE_TAGS - len(facts.more_tags)))
        named = map(self._words.number, (facts.creator, facts.tag, facts.music, *more))
        self._numbers.extend((*named, facts.duration_ms))

    def __len__(self) -> int:
        return len(self._numbers) // self.WIDTH

    def __getitem__(self, row: int) -> VideoFacts:
        *named, duration_ms = self._numbers[self.WIDTH * row : self.WIDTH * (row + 1)]
        creator, tag, music, *more = (self._words[number] for number in named)
        return VideoFacts(creator, tag, music, duration_ms, tuple(word for word in more if word is not None))


class RowOf(MutableMapping[str, int]):
    """Rows by video id: a hash table with open addressing, whose keys are in `ids`."""

    def __init__(self, ids: ByRow[str]) -> None:
        self._ids, self._table = ids, array("i", [FREE]) * LEAST
        self._count = self._used = 0  # rows, and entries that are not free

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        return (self._ids[row] for row in self._table if row >= 0)

    def __contains__(self, video_id: object) -> bool:
        return isinstance(video_id, str) and self._table[self._find(video_id)] >= 0

    def __getitem__(self, video_id: str) -> int:
        row = self._table[self._find(video_id)]
        if row < 0:
            raise KeyError(video_id)
        return row

    def get(self, video_id: str, default: int | None = None) -> int | None:  # type: ignore[override]  # misses are many
        """The row of a video, or the default."""
        row = self._table[self._find(video_id)]
        return row if row >= 0 else default

    def __setitem__(self, video_id: str, row: int) -> None:
        place = self._find(video_id)
        is_new = self._table[place] < 0
        self._table[place] = row
        self._count += is_new
        self._used += is_new
        if 5 * self._used > 3 * len(self._table):
            self._rehash()

    def __delitem__(self, video_id: str) -> None:
        place = self._find(video_id)
        if self._table[place] < 0:
            raise KeyError(video_id)
        self._table[place] = GONE
        self._count -= 1

    def _find(self, video_id: str) -> int:
        """The place of a video in the table, or the free one where it would be."""
        table, last, ids = self._table, len(self._table) - 1, self._ids
        place = crc32(video_id.encode("utf-8", "surrogatepass")) & last
        while (row := table[place]) != FREE:
            if row >= 0 and ids[row] == video_id:
                return place
            place = (place + 1) & last
        return place

    def _rehash(self) -> None:
        rows = [row for row in self._table if row >= 0]
        size = LEAST
        while size < 3 * len(rows):
            size *= 2
        self._table, self._used = array("i", [FREE]) * size, len(rows)
        for row in rows:
            self._table[self._find(self._ids[row])] = row


def places_among(names: Sequence[str], ids: ByRow[str], by_id: Rows) -> list[int]:
    """Where sorted names come among the rows that are sorted by their ids.

    >>> import numpy as np
    >>> places_among(["a", "d"], ["c", "b"], np.array([1, 0], np.int32))
    [0, 2]
    """
    places, start, rows = list[int](), 0, by_id.data  # which gives Python's own numbers
    for name in names:
        start = bisect_left(rows, name, lo=start, key=ids.__getitem__)
        places.append(start)
    return places
