"""Erasures that wait for their place in a log: behind the last event that was taken before them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from schemas.messages.erasures import Erasure
from streams.kafka.records import Record

TookEffect = Mapping[int, int]  # `at_ms` of an erasure → offset of the last event taken before it
NOT_KNOWN: TookEffect = {}


@dataclass
class _Pending:
    record: Record
    user_id: str  # empty: it cannot be used, and becomes a dead letter
    at_ms: int
    after: int | None = None  # offset of the last event before it; None: not known, so its time decides
    is_out: bool = False


class PendingErasures:
    """Gives erasures out by their time, or earlier or later where their marker says so.

    reached  the offset after the newest event that was taken, by partition
    """

    def __init__(self, reached: Mapping[int, int]) -> None:
        self._reached = reached
        self._of_person: dict[str, deque[_Pending]] = {}
        self._to_come: deque[_Pending] = deque()  # by time
        self._waiting: list[_Pending] = []  # their time has come, their person's events before them have not

    @property
    def by_time(self) -> bool:
        """Whether of one that waits it is not known where it took effect."""
        return any(one.after is None for theirs in self._of_person.values() for one in theirs)

    def add(self, erasures: Iterable[tuple[Record, Erasure | None]]) -> None:
        """Take in more; each partition's in offset order, None for what cannot be used."""
        for record, erasure in erasures:
            one = _Pending(record, erasure.user_id if erasure else "", erasure.at_ms if erasure else 0)
            self._to_come.append(one)
            if erasure:
                self._of_person.setdefault(erasure.user_id, deque()).append(one)
        self._to_come = deque(sorted(self._to_come, key=_by_time))

    def settle(self, took_effect: Callable[[str], TookEffect]) -> None:
        """Take over where those that wait took effect, as far as it is known; a repeat changes nothing anywhere."""
        for user_id, theirs in self._of_person.items():
            known = dict(took_effect(user_id))
            for one in theirs:
                one.after = known.pop(one.at_ms, one.after)

    def until(self, clock: int | None) -> Iterator[Record]:
        """Those whose time has come, except where events from before them are to come; None: whatever their time."""
        while self._to_come and (clock is None or self._to_come[0].record.timestamp <= clock):
            self._waiting.append(self._to_come.popleft())
        if self._waiting:
            ready = [one for one in self._waiting if self._is_ready(one)]
            self._waiting = [one for one in self._waiting if not self._is_ready(one)]
            for one in ready:
                yield from self._given_out(one)

    def before(self, user_id: str, offset: int) -> Iterator[Record]:
        """Those of a person that took effect before this event of theirs."""
        for one in [*self._of_person.get(user_id, ())]:
            if one.after is not None and one.after < offset:
                yield from self._given_out(one)

    def _is_ready(self, one: _Pending) -> bool:
        return one.is_out or one.after is None or self._reached.get(one.record.partition, 0) > one.after

    def _given_out(self, one: _Pending) -> Iterator[Record]:
        """This one, behind what was asked for the same person earlier."""
        theirs = self._of_person.get(one.user_id, deque([one]))
        while not one.is_out:
            earlier = theirs.popleft()
            earlier.is_out = True
            yield earlier.record
        if not theirs:
            self._of_person.pop(one.user_id, None)


def _by_time(one: _Pending) -> tuple[int, int, int]:
    return one.record.timestamp, one.record.partition, one.record.offset
