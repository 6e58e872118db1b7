"""Pairs: which numbers belong to which person of a batch, asked for thousands of candidates at once."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]
Mask = NDArray[np.bool_]
Keys = NDArray[np.int64]
Numbers = NDArray[np.int32] | NDArray[np.uint32] | NDArray[np.int64]

ROOM = 8  # places of the table for each pair; so about one stranger in eight is compared in vain
GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2⁶⁴ / golden ratio: Fibonacci hashing, Knuth, TAOCP 6.4


class Pairs:
    """Pairs of a person's place in the batch and a number from 0 to 2³² − 1, as keys; one may come twice.

    What is asked for is first looked up in a table by its hash. Most is not there; only the rest is compared.
    """

    def __init__(self, keys: Keys) -> None:
        self.keys = np.sort(keys)
        bits = max(8, (ROOM * len(keys)).bit_length())
        self._shift = np.uint64(64 - bits)
        self._table = np.zeros(1 << bits, np.bool_)
        self._table[self._hashes(keys)] = True

    def find(self, of: Places, numbers: Numbers) -> tuple[Places, Places]:
        """Which of the pairs asked for are there, and where among the sorted ones; a negative number is nobody's.

        >>> pairs = Pairs(keys_of(np.array([0, 1]), np.array([7, 5])))
        >>> [one.tolist() for one in pairs.find(np.array([1, 1]), np.array([7, 5]))]
        [[1], [1]]
        """
        if not len(self.keys):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        asked = keys_of(of, numbers)
        maybe = self._table[self._hashes(asked)].nonzero()[0]
        asked = asked[maybe]
        places = self.keys.searchsorted(asked)
        same = self.keys.take(places, mode="clip") == asked
        return maybe[same], places[same]

    def hold(self, of: Places, numbers: Numbers) -> Mask:
        """Which of these pairs are among them."""
        out = np.zeros(len(numbers), np.bool_)
        out[self.find(of, numbers)[0]] = True
        return out

    def _hashes(self, keys: Keys) -> NDArray[np.uint64]:
        return (keys.view(np.uint64) * GOLDEN) >> self._shift


def keys_of(of: Places, numbers: Numbers) -> Keys:
    """Pairs as single numbers, which sort by person first."""
    return of << 32 | numbers


def is_first(keys: NDArray[Any]) -> Mask:
    """Which of sorted keys differ from the one before.

    >>> is_first(np.array([3, 3, 5])).tolist()
    [True, False, True]
    """
    first = np.ones(len(keys), np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=first[1:])
    return first


def turns(of: Places) -> Places:
    """The how manieth of its person each is, from 0; `of` is sorted.

    >>> turns(np.array([0, 0, 2])).tolist()
    [0, 1, 0]
    """
    return np.arange(len(of)) - of.searchsorted(of)


def parts_of(keys: Keys) -> tuple[Places, Places]:
    """Persons and numbers of pairs.

    >>> [one.tolist() for one in parts_of(keys_of(np.array([3]), np.array([7])))]
    [[3], [7]]
    """
    return keys >> 32, keys & (2**32 - 1)
