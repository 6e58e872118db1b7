"""Pairs of a query's place in the batch and a number, as sorted keys that thousands of candidates are looked up in."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.arrays import Keys, Mask, Numbers, Places
from ranker.pipeline.kernel import calls, switch

TABLE_RATIO = 8  # places of the hash table for each pair: about one absent pair in eight is compared in vain
GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2⁶⁴ / golden ratio: Fibonacci hashing, Knuth, TAOCP 6.4


class Pairs:
    """Pairs of a query's place in the batch and a number from 0 to 2³² − 1, as keys; one may occur twice.

    A lookup first asks a table of hashes. Most pairs are absent, so few have to be compared.
    """

    def __init__(self, keys: Keys) -> None:
        self.keys = np.sort(keys)
        bits = max(8, (TABLE_RATIO * len(keys)).bit_length())
        self.shift = 64 - bits
        if switch.is_used():
            self.table = calls.hashed(self.keys, self.shift, bits)
            return
        self.table = np.zeros(1 << bits, np.bool_)
        self.table[self._hashes(keys)] = True

    def find(self, query: Places, numbers: Numbers) -> tuple[Places, Places]:
        """Which of the given pairs are present, and at which places of `keys`; a negative number is never present.

        >>> pairs = Pairs(keys_of(np.array([0, 1]), np.array([7, 5])))
        >>> [places.tolist() for places in pairs.find(np.array([1, 1]), np.array([7, 5]))]
        [[1], [1]]
        """
        if not len(self.keys):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        if switch.is_used():
            return calls.find(self.keys, self.table, self.shift, query, numbers)
        wanted = keys_of(query, numbers)
        maybe = self.table[self._hashes(wanted)].nonzero()[0]
        wanted = wanted[maybe]
        places = self.keys.searchsorted(wanted)
        same = self.keys.take(places, mode="clip") == wanted
        return maybe[same], places[same]

    def contain(self, query: Places, numbers: Numbers) -> Mask:
        """Which of the given pairs are present."""
        present = np.zeros(len(numbers), np.bool_)
        present[self.find(query, numbers)[0]] = True
        return present

    def _hashes(self, keys: Keys) -> NDArray[np.uint64]:
        return (keys.view(np.uint64) * GOLDEN) >> np.uint64(self.shift)


def keys_of(query: Places, numbers: Numbers) -> Keys:
    """Pairs as single numbers, which sort by query first."""
    return query << 32 | numbers


def parts_of(keys: Keys) -> tuple[Places, Places]:
    """The queries and the numbers of pairs.

    >>> [part.tolist() for part in parts_of(keys_of(np.array([3]), np.array([7])))]
    [[3], [7]]
    """
    return keys >> 32, keys & (2**32 - 1)


def is_first(keys: NDArray[Any]) -> Mask:
    """Which of sorted keys differ from the one before.

    >>> is_first(np.array([3, 3, 5])).tolist()
    [True, False, True]
    """
    first = np.ones(len(keys), np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=first[1:])
    return first


def place_within(query: Places) -> Places:
    """The place of each among those of its query, from 0; `query` is sorted.

    >>> place_within(np.array([0, 0, 2])).tolist()
    [0, 1, 0]
    """
    return np.arange(len(query)) - query.searchsorted(query)
