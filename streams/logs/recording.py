"""A log that a recording appends to: what it holds already, and where it ends."""

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from schemas.topics import ERASURES
from streams.errors import OperatorError
from streams.kafka.records import Place, Record
from streams.logs import recorded
from streams.logs.recorded import BEGIN, record_of
from streams.logs.source import MAX_LINE_BYTES

OTHER_FILE = "Name another file."


class Recording:
    """What a log holds, read from its start; what was cut off at its end is left out."""

    def __init__(self, path: Path | None) -> None:
        self.path, self.size = path, 0
        self.first: dict[Place, int] = {}
        self.last: dict[Place, recorded.Place] = {}
        self._partitions: dict[str, int] = {}
        self._erasures: set[Place | tuple[str, int, int]] = set()
        for record, partitions in self._read():
            place = record[:2]
            self._partitions.setdefault(record.topic, partitions)
            self.first.setdefault(place, record.offset)
            self.last[place] = recorded.Place(record.topic, partitions, *record[1:4])
            if record.topic.endswith(ERASURES.name):
                self._erasures.add(record[:3])

    def records(self) -> Iterator[Record]:
        """Every record, in the log's order."""
        return (record for record, _ in self._read())

    def holds_erasure(self, record: Record) -> bool:
        """Whether an erasure is in the log; they stand in another order there than in their partition."""
        return record[:3] in self._erasures

    def require_topics(self, partitions: Mapping[str, int]) -> None:
        """Refuse to append to what was recorded from other topics than these, given with their partition counts."""
        for name, count in self._partitions.items():
            if name not in partitions:
                raise OperatorError(f"{self.path} was recorded from {name}, which is another prefix.", OTHER_FILE)
            if count != partitions[name]:
                raise OperatorError(f"{name} had {count} partitions, and has {partitions[name]} now.", OTHER_FILE)

    def _read(self) -> Iterator[tuple[Record, int]]:
        if self.path is None or not self.path.exists():
            return
        size = lines = 0
        with self.path.open("rb") as file:
            while line := file.readline(MAX_LINE_BYTES):
                if not line.endswith(b"\n") and BEGIN.startswith(line[: len(BEGIN)]):
                    break  # the process ended while it wrote this line
                if (found := record_of(line)) is None:
                    raise OperatorError(f"{self.path}, line {lines + 1}, is of no recording.", OTHER_FILE)
                size, lines = size + len(line), lines + 1
                yield found
        self.size = size


@contextmanager
def appending(path: Path) -> Iterator[tuple[Recording, BinaryIO]]:
    """A log with the file that appends to it, for one process at a time; a line that was cut off is taken away."""
    with path.open("ab") as out:
        try:
            fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OperatorError(f"Another recording writes to {path}.", OTHER_FILE) from None
        log = Recording(path)
        out.truncate(log.size)
        yield log, out
