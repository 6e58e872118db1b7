"""The numbers of a vocabulary's pieces by their text, in some 22 bytes a piece beside the text itself.

A dict of 250,000 strings takes 40 MB; this takes 8.
"""

from array import array
from collections.abc import Container, Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

FREE = -1  # a place of the table that holds no piece
HEAD = 3  # letters by which is known how long a piece that begins with them can be, or a shorter one than they
HEADS = 1 << 18  # of these, by their hash; those that share one reach as far as the longest


class Pieces:
    """Pieces by their text: a hash table with linear probing, whose entries are numbers of pieces.

    pieces  by number, no two alike
    hidden  numbers of those that are not found
    """

    def __init__(self, pieces: Sequence[str], hidden: Container[int] = ()) -> None:
        written = [piece.encode() for piece in pieces]
        self._text = b"".join(written)
        self._ends = array("I", accumulate(map(len, written), initial=0))
        found = np.array([number for number in range(len(pieces)) if number not in hidden], np.int32)
        self._mask = (4 << len(found).bit_length()) - 1  # an eighth to a quarter of the places are taken
        self._table = _table([hash(pieces[number]) & self._mask for number in found], found, self._mask)
        self._reach = _reach([pieces[number] for number in found])

    def get(self, text: str) -> int | None:
        """The number of the piece that is this text.

        >>> pieces = Pieces(["a", "ab", "b"], hidden={2})
        >>> pieces.get("ab"), pieces.get("b"), pieces.get("abc")
        (1, None, None)
        """
        return next((number for end, number in self.at(text, 0) if end == len(text)), None)

    def at(self, text: str, start: int) -> list[tuple[int, int]]:
        """The pieces that a text has from a place on, the shortest first: where each ends, and its number.

        >>> Pieces(["a", "ab", "b"]).at("cabb", 1)
        [(2, 0), (3, 1)]
        """
        table, mask, written, ends = self._table, self._mask, self._text, self._ends
        longest = self._reach[hash(text[start : start + HEAD]) % HEADS]
        found = []
        for end in range(start + 1, min(start + longest, len(text)) + 1):
            place = hash(piece := text[start:end]) & mask
            while (number := table[place]) != FREE:
                if written[ends[number] : ends[number + 1]] == piece.encode():
                    found.append((end, number))
                    break
                place += 1
        return found


def _table(slots: list[int], numbers: NDArray[np.int32], mask: int) -> "array[int]":
    """Each number at the first free place from its slot on, all at once: in their order none may pass another."""
    order = np.argsort(slots, kind="stable")
    step = np.arange(len(order))
    places = np.maximum.accumulate(np.array(slots, np.int64)[order] - step) + step
    table = np.full(max([mask, *places[-1:]]) + 2, FREE, np.int32)  # there is a free place behind the last
    table[places] = numbers[order]
    return array("i", table.tobytes())


def _reach(pieces: list[str]) -> bytes:
    longest = np.full(HEADS, HEAD - 1, np.uint8)
    long = [piece for piece in pieces if len(piece) >= HEAD]
    np.maximum.at(longest, [hash(piece[:HEAD]) % HEADS for piece in long], [min(len(piece), 255) for piece in long])
    return longest.tobytes()
