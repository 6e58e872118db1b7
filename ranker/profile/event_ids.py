"""The ids of a person's events beyond those that the profile itself holds, in pages that are records of their own.

A repeat is known by its event id for as long as it could count at all: an event older than its person's newest one by
more than `late_ms` is refused whatever its id. A profile holds the newest 64 to 127 ids; older ones go into pages of
64, so that a long memory is not written again with every event. An id is 8 bytes of BLAKE2b (RFC 7693): where 10,000
are held, one new event in 2·10¹⁵ passes for a repeat and is lost; with 4 bytes it would be one in 430,000.
"""

from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable

import msgspec
import numpy as np

ID_BYTES = 8
PAGE_IDS = 64
PAGE_BYTES = PAGE_IDS * ID_BYTES
YOUNG_PAGES = 4
NUMBERS = 2**16
MAX_PAGES = 154  # and with the 64 to 127 of the profile about 10,000 ids a person; the oldest page goes first


class Page(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="i1"):
    """64 event ids of one person.

    A page counts only for a profile that has reached its version: else its events are redelivered, and must count.
    """

    version: int  # of the profile when the page was cut off it
    newest_ms: int  # no event of these is newer
    ids: bytes  # the oldest first


class PageError(ValueError):
    """Stored bytes that are no page of this format."""


SEPARATOR = "\0"  # no id holds a control character


def page_key(user_id: str, version: int) -> str:
    """The key under which a page is stored: the same page of the same events has the same key, whoever writes it."""
    return f"{user_id}{SEPARATOR}{version}"


def user_of(key: str) -> str:
    """Whose page a key names."""
    return key.partition(SEPARATOR)[0]


encode_page = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Page).decode


def decode_page(data: bytes) -> Page:
    """Read a stored page back, or raise PageError.

    >>> decode_page(encode_page(Page(64, 0, bytes(512)))).version
    64
    """
    try:
        page = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PageError(f"page of {len(data)} bytes: {error}; repeats of its events may count") from error
    if len(page.ids) % ID_BYTES:
        raise PageError(f"page of {len(data)} bytes ends inside an id; repeats of its events may count")
    return page


class EventIds:
    """The pages of one person, searched together; 10 bytes an id.

    The newest pages lie one after the other as they came; when there are four of them they are merged into one sorted
    array, so that neither a new page nor a search reads through all of a long memory.
    """

    __slots__ = ("_first", "_heads", "_ids", "_numbers", "_young", "_young_first")

    def __init__(self, pages: Iterable[Page] = ()) -> None:
        self._first = 0  # number of the oldest page that counts; numbers rise by one a page
        self._heads: deque[tuple[int, int]] = deque()  # version and newest_ms of the pages that count
        self._young, self._young_first = b"", 0  # pages that are not merged yet, and the number of their first
        self._ids: array[int] = array("Q")  # sorted
        self._numbers: array[int] = array("H")  # of the pages, modulo 2¹⁶
        for page in sorted(pages, key=lambda page: page.version):
            self.add(page)

    def __len__(self) -> int:
        return len(self._heads) * PAGE_IDS

    def holds(self, digest: bytes, newer: int = 0) -> bool:
        """Whether a page has this id, once so many newer pages are there."""
        first = self._first + max(0, len(self._heads) + newer - MAX_PAGES)
        at = self._young.find(digest)
        while at > 0 and at % ID_BYTES:  # a match across two ids is none
            at = self._young.find(digest, at + 1)
        if at >= 0:
            return self._young_first + at // PAGE_BYTES >= first
        value = int.from_bytes(digest, "little")
        place = bisect_left(self._ids, value)
        while place < len(self._ids) and self._ids[place] == value:
            if (self._numbers[place] - first) % NUMBERS < MAX_PAGES:
                return True
            place += 1
        return False

    @property
    def versions(self) -> list[int]:
        """Of the pages that count, the oldest first."""
        return [version for version, _ in self._heads]

    def add(self, page: Page) -> None:
        """Add a page, the newest so far."""
        if len(self._young) == YOUNG_PAGES * PAGE_BYTES:
            self._merge()
        self._heads.append((page.version, page.newest_ms))
        self._young += page.ids

    def trim(self, late_ms: int) -> list[int]:
        """Let go of the pages that are too many, or whose events are all late by now; returns their versions."""
        gone, oldest_ms = [], self._heads[-1][1] - late_ms if self._heads else 0
        while self._heads and (len(self._heads) > MAX_PAGES or self._heads[0][1] < oldest_ms):
            gone.append(self._heads.popleft()[0])
            self._first += 1
        return gone

    def _merge(self) -> None:
        numbers = (self._young_first + np.arange(YOUNG_PAGES)).repeat(PAGE_IDS).astype(np.uint16)
        ids = np.concatenate([np.frombuffer(self._ids, np.uint64), np.frombuffer(self._young, "<u8")])
        numbers = np.concatenate([np.frombuffer(self._numbers, np.uint16), numbers])
        counts = (numbers - np.uint16(self._first % NUMBERS)) < MAX_PAGES
        ids, numbers = ids[counts], numbers[counts]
        order = ids.argsort(kind="stable")  # of nearly sorted ids, the sort that NumPy takes for it is a merge
        self._ids, self._numbers = array("Q", ids[order].tobytes()), array("H", numbers[order].tobytes())
        self._young, self._young_first = b"", self._young_first + YOUNG_PAGES
