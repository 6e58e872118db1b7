"""Which sources returned each candidate: one set of sources a candidate, in as many bits as there are sources."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ranker.catalogue.arrays import Mask, Places, Words

WORD_BITS = 64


@dataclass(frozen=True, slots=True, eq=False)
class SourceSets:
    """The sources of N candidates: bit i % 64 of word i // 64 stands for the source `names[i]`."""

    names: tuple[str, ...]
    words: Words  # [N, W]

    def __getitem__(self, which: Places | Mask) -> "SourceSets":
        """The sets of some of the candidates."""
        return SourceSets(self.names, self.words[which])

    def contain(self, name: str) -> Mask:
        """Which candidates the source of this name returned; none where there is no such source.

        >>> union(("near", "fresh"), np.array([0, 1, 1]), np.array([0, 2])).contain("near").tolist()
        [True, False]
        """
        if name not in self.names:
            return np.zeros(len(self.words), np.bool_)
        word, bit = divmod(self.names.index(name), WORD_BITS)
        found: Mask = self.words[:, word] & np.uint64(1 << bit) != 0
        return found

    def to_lists(self) -> list[list[str]]:
        """The names of each candidate's sources, in the order of `names`; candidates of equal sets share a list.

        >>> union(("near", "fresh"), np.array([0, 1, 1]), np.array([0, 2])).to_lists()
        [['near', 'fresh'], ['fresh']]
        """
        words = np.ascontiguousarray(self.words, "<u8")
        sets: list[bytes] = words.view(f"V{words.itemsize * words.shape[1]}").ravel().tolist()
        named = {bits: self._names_of(int.from_bytes(bits, "little")) for bits in set(sets)}
        return [named[bits] for bits in sets]

    def _names_of(self, bits: int) -> list[str]:
        return [name for i, name in enumerate(self.names) if bits >> i & 1]


def union(names: Sequence[str], source: Places, first: Places) -> SourceSets:
    """Sets from runs of source numbers: run i begins at first[i], and the last one ends with the array.

    source  int64 [C], places in `names`
    first   int64 [N], rising
    """
    bits = np.left_shift(np.uint64(1), (source % WORD_BITS).astype(np.uint64))
    words = np.zeros((len(first), _words_for(names)), np.uint64)
    for word in range(words.shape[1]):
        of_word = bits if words.shape[1] == 1 else np.where(source // WORD_BITS == word, bits, np.uint64(0))
        words[:, word] = np.bitwise_or.reduceat(of_word, first)
    return SourceSets(tuple(names), words)


def single(names: Sequence[str], name: str, count: int) -> SourceSets:
    """So many sets that hold one source each, the same one.

    >>> single(("near", "fill"), "fill", 2).to_lists()
    [['fill'], ['fill']]
    """
    word, bit = divmod(names.index(name), WORD_BITS)
    words = np.zeros((count, _words_for(names)), np.uint64)
    words[:, word] = 1 << bit
    return SourceSets(tuple(names), words)


def concatenate(sets: SourceSets, more: SourceSets) -> SourceSets:
    """The sets of two groups of candidates whose sources have the same names, one group after the other."""
    return SourceSets(sets.names, np.concatenate([sets.words, more.words]))


def _words_for(names: Sequence[str]) -> int:
    return -(-len(names) // WORD_BITS)
