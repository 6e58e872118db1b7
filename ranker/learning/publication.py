"""How learned parameters get from who learns them to who ranks by them: blocks in two slots, then a manifest.

The blocks of one slot are written while the other one is current, so that all blocks that a manifest names are there
and whole whenever it is: a topic that keeps the newest record of each key never shows half of a change.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from ranker.learning import blocks
from ranker.learning.blocks import ROWS, BlockError, Manifest
from ranker.learning.parameters import NOBODY, Parameters, Rows
from ranker.learning.storage import SHAPE

MOST_DIGITS = 9  # of a block's number
MANIFEST = "manifest"  # key of the manifest; a block has its slot and number

Record = tuple[str, bytes]  # key and value


class Change(NamedTuple):
    """What is to be written: all blocks, and then the manifest."""

    blocks: list[Record]
    manifest: Record


class Publication:
    """What of the parameters either slot lacks.

    number   of the manifest that is current; 0: none
    slot     that is current
    lacking  by slot the blocks that differ there from the parameters
    """

    def __init__(self, parameters: Parameters, number: int = 0, slot: int = 1) -> None:
        self._parameters, self._number, self._slot = parameters, number, slot
        self.lacking: tuple[set[int], set[int]] = (set(), set())
        if not number:
            self.lack_all()

    def lack_all(self) -> None:
        """Write everything again: it may be that somebody else wrote in between."""
        for lacking in self.lacking:
            lacking.update(range(blocks.block_count(self._parameters)))

    def touch(self, rows: Rows) -> None:
        """Note that something was learned in these rows."""
        numbers = np.unique(rows // ROWS).tolist()
        for lacking in self.lacking:
            lacking.update(numbers)

    def change(self, learned: Mapping[int, int]) -> Change:
        """What makes the parameters as they are now the current ones; `learned` as the manifest has it."""
        self._number, self._slot = self._number + 1, 1 - self._slot
        due, slot = sorted(self.lacking[self._slot]), self._slot
        self.lacking[slot].clear()
        keys = [f"{slot}/{number}" for number in due]
        found = [*zip(keys, blocks.encoded_blocks(self._parameters, due), strict=True)]
        named = blocks.manifest(self._parameters, self._number, slot, learned, SHAPE)
        self._parameters.version = str(self._number)
        return Change(found, (MANIFEST, named))


class Subscription:
    """Brings parameters up to date by what is published of them, from its first record on.

    keep  whether the blocks of both slots stay here, as whoever goes on publishing needs
    """

    def __init__(self, parameters: Parameters, *, keep: bool = False) -> None:
        self.parameters = parameters
        self.current: Manifest | None = None
        self._waiting: tuple[dict[int, bytes], dict[int, bytes]] = ({}, {})  # by slot, until it is current
        self._kept: tuple[dict[int, bytes], dict[int, bytes]] | None = ({}, {}) if keep else None

    def apply(self, records: Iterable[Record]) -> None:
        """Take in records in their order. A BlockError says what is wrong with one; the others are taken in."""
        wrong = [str(why) for key, value in records for why in self._take(key, value)]
        if wrong:
            raise BlockError("; ".join(wrong))

    def _take(self, key: str, value: bytes) -> Iterator[BlockError]:
        try:
            if key == MANIFEST:
                yield from self._become(blocks.manifest_of(value, SHAPE))
            else:
                self._keep(*_place(key), value)
        except BlockError as error:
            yield error

    def _keep(self, slot: int, number: int, value: bytes) -> None:
        self._waiting[slot][number] = value
        if self._kept is not None:
            self._kept[slot][number] = value

    def _become(self, found: Manifest) -> Iterator[BlockError]:
        """Make a manifest's parameters the present ones; gives what is wrong with blocks, which are passed over."""
        if self.current is None:
            self.parameters.reset()
        waiting = self._waiting[found.slot]
        if found.rows > max(len(self.parameters.keys), (max(waiting, default=0) + 1) * ROWS):
            raise BlockError("a manifest is damaged: it has more rows than there are blocks")
        self.current = found
        blocks.put_manifest(self.parameters, found)
        for number in sorted(waiting):
            if number * ROWS >= found.rows:
                continue  # of a change that was not finished
            try:
                blocks.put_block(self.parameters, number, waiting[number])
            except BlockError as error:
                yield error
        waiting.clear()
        self.parameters.batches += 1
        self.parameters.version = str(found.number)

    def publication(self) -> Publication:
        """Goes on where what was read ends; what the other slot has of an unfinished change is written again."""
        if self.current is None or self._kept is None:
            return Publication(self.parameters)
        made = Publication(self.parameters, self.current.number, self.current.slot)
        keys = self.parameters.keys
        mine, other = self._kept[self.current.slot], self._kept[1 - self.current.slot]
        numbers = range(blocks.block_count(self.parameters))
        made.lacking[1 - self.current.slot].update(n for n in numbers if mine.get(n) != other.get(n))
        self._kept = None
        self.parameters.free = [row for row in reversed(range(1, len(keys))) if keys[row] == NOBODY]
        return made


def _place(key: str) -> tuple[int, int]:
    """The slot and the number of a block."""
    slot, _, number = key.partition("/")
    if slot not in ("0", "1") or not number.isdecimal() or len(number) > MOST_DIGITS:
        raise BlockError(f"{key[:100]!r} is neither the manifest nor a block")
    return int(slot), int(number)
