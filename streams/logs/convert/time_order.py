"""Rows put in order of time on disk, so that a data set needs no more memory than a part of it."""

import heapq
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import msgspec

from streams.logs.convert.tables import Row

IN_MEMORY = 20_000  # rows, about 20 MB
MERGED_AT_ONCE = 64  # files

_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder(dict).decode


class Timed(NamedTuple):
    """A row with its time and its number in the files."""

    time: int
    number: int
    row: Row


def in_order_of_time(rows: Iterable[tuple[int, Row]]) -> Iterator[Timed]:
    """Rows, given with their times, by time; those of one time in the order of the files."""
    with tempfile.TemporaryDirectory(prefix="freshet-convert-") as folder:
        runs = [*_sorted_runs(rows, Path(folder))]
        with ExitStack() as opened:
            yield from (_read(line) for line in _merged(runs, opened))


def _sorted_runs(rows: Iterable[tuple[int, Row]], folder: Path) -> Iterator[Path]:
    """Files of rows in order, 64 at most: so many are merged whenever there are as many of one size."""
    levels: list[list[Path]] = [[]]
    names = (folder / str(number) for number in range(1 << 62))
    for part in _parts(rows):
        levels[0].append(_written(sorted(part), next(names)))
        for level, runs in enumerate(levels):
            if len(runs) == MERGED_AT_ONCE:
                if level + 1 == len(levels):
                    levels.append([])
                with ExitStack() as opened:
                    levels[level + 1].append(_written(_merged(runs, opened), next(names)))
                for run in runs:
                    run.unlink()
                runs.clear()
    return (run for runs in levels for run in runs)


def _parts(rows: Iterable[tuple[int, Row]]) -> Iterator[list[bytes]]:
    part: list[bytes] = []
    for number, (time, row) in enumerate(rows):
        part.append(b"%020d %020d %b\n" % (max(time, 0), number, _encode(row)))
        if len(part) == IN_MEMORY:
            yield part
            part = []
    if part:
        yield part


def _written(lines: Iterable[bytes], path: Path) -> Path:
    with path.open("wb") as file:
        file.writelines(lines)
    return path


def _merged(runs: Iterable[Path], opened: ExitStack) -> Iterator[bytes]:
    return heapq.merge(*(opened.enter_context(run.open("rb")) for run in runs))


def _read(line: bytes) -> Timed:
    time, number, row = line.split(b" ", 2)
    return Timed(int(time), int(number), _decode(row))
