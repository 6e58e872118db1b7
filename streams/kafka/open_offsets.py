"""Committing past polls while some of their records are still being worked on."""

from collections.abc import Iterable, Mapping

from faust.types import TP

from streams.kafka.poll import Poll

NONE: Mapping[TP, int] = {}


class OpenOffsets:
    """Per partition the offset up to which everything is done, though records behind it may be done as well.

    What is committed never passes the first open record: after a crash it is read again, and what came behind it too.
    """

    def __init__(self) -> None:
        self._ends: dict[TP, int] = {}
        self._last: Poll | None = None

    def done(self, poll: Poll, first_open: Mapping[TP, int] = NONE) -> None:
        """A poll is done but for the records from these offsets on."""
        self._ends.update(poll.next_offsets())
        self._last = poll
        poll.done(self._committable(first_open))

    def settle(self, first_open: Mapping[TP, int] = NONE) -> None:
        """Between two polls: more has been done since."""
        if self._last is not None:
            self._last.commit(self._committable(first_open))

    def drop(self, partitions: Iterable[TP]) -> None:
        """Other workers have these partitions now."""
        for one in partitions:
            self._ends.pop(one, None)

    def _committable(self, first_open: Mapping[TP, int]) -> dict[TP, int]:
        return {one: min(end, first_open.get(one, end)) for one, end in self._ends.items()}
