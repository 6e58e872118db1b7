"""What was sent, what came back, and what follows: delays, unanswered events, and whether a backlog grows."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from tests.bench.world import World

SAMPLE_S = 0.1
BURST_EVERY_S, BURST_S = 5, 1  # of traffic with bursts: the last second of five
GROWTH = 0.01  # of the pace: a backlog that grows faster than that is growing; a guess, noise stays far below it


class Sent(NamedTuple):
    """An event that the broker has confirmed."""

    user_id: str
    partition: int
    offset: int
    at_s: float


class VideoEvent(NamedTuple):
    """A state or slate that has arrived, and the place of the newest event that it takes into account."""

    user_id: str
    partition: int
    offset: int
    at_s: float


@dataclass(frozen=True)
class Traffic:
    """How much is sent: `seconds` long `rate` events a second, named so that no other traffic has their ids.

    burst  so many times the rate in each burst; 1: the pace is even
    """

    world: World
    rate: int
    seconds: int
    warm_s: int  # of the same traffic before, which is not measured
    name: str
    burst: int = 1

    def due(self, after_s: float) -> int:
        """How many events have to be sent by then.

        >>> even, bursting = (Traffic(World(1, 1), 100, 10, 0, "", burst) for burst in (1, 10))
        >>> [(even.due(s), bursting.due(s)) for s in (1, 4, 4.5, 5, 9)]
        [(100, 100), (400, 400), (450, 900), (500, 1400), (900, 1800)]
        """
        bursts, since_s = divmod(after_s, BURST_EVERY_S)
        bursting_s = bursts * BURST_S + max(0.0, since_s - (BURST_EVERY_S - BURST_S))
        return int(self.rate * (after_s + (self.burst - 1) * bursting_s))

    @property
    def count(self) -> int:
        """Measured events."""
        return self.due(self.warm_s + self.seconds) - self.unmeasured

    @property
    def unmeasured(self) -> int:
        """Events before those."""
        return self.due(self.warm_s)

    @property
    def pace(self) -> float:
        """Measured events a second, bursts included."""
        return self.count / self.seconds


class Backlog(NamedTuple):
    """Unanswered events while the traffic ran."""

    growth: float  # events a second, as a straight line through the samples
    least: int  # in the second half: an engine that answers in bursts comes near nothing, one that is too slow does not


@dataclass(frozen=True)
class Measured:
    """What became of the traffic."""

    traffic: Traffic
    delays_ms: list[float]  # of the answered events
    unanswered: int
    answers: int
    sent_s: float  # from the first to the last event
    backlog: Backlog
    cpu_s: list[float]  # of each process, from the first event until the last is answered

    @property
    def coalesced(self) -> float:
        """Share of the events that have no answer of their own."""
        return 1 - self.answers / self.traffic.count

    @property
    def fault(self) -> str:
        """Say so where the sender could not keep its pace: then the machine was too busy to tell anything."""
        wanted = self.traffic.pace
        pace = (self.traffic.count - 1) / self.sent_s if self.sent_s else 0.0
        return "" if pace > 0.97 * wanted else f"only {pace:.0f} of {wanted:.0f} events a second could be sent"

    @property
    def held(self) -> bool:
        """Whether all is answered, and the backlog did not grow."""
        return not self.unanswered and self.backlog.growth <= GROWTH * self.traffic.pace

    @property
    def kept_pace(self) -> bool:
        """Whether all is answered, and the engine was once less than half a second behind in the second half."""
        return not self.unanswered and self.backlog.least < self.traffic.rate / 2


def measured_by(traffic: Traffic, sent: Sequence[Sent], seen: Sequence[VideoEvent], cpu_s: list[float]) -> Measured:
    """Put together what sender and reader noted."""
    answered_s = answered(sent, seen)
    delays_ms = [1000 * (at_s - one.at_s) for one, at_s in zip(sent, answered_s, strict=True) if at_s is not None]
    return Measured(
        traffic=traffic,
        delays_ms=delays_ms,
        unanswered=len(sent) - len(delays_ms),
        answers=_count(sent, seen),
        sent_s=sent[-1].at_s - sent[0].at_s,
        backlog=backlog([one.at_s for one in sent], answered_s),
        cpu_s=cpu_s,
    )


def _count(sent: Iterable[Sent], seen: Iterable[VideoEvent]) -> int:
    """How many answers take in any of these events; those to events before are none."""
    first: dict[int, int] = {}
    for event in sent:
        first.setdefault(event.partition, event.offset)
    return sum(one.partition in first and one.offset >= first[one.partition] for one in seen)


def answered(sent: Iterable[Sent], seen: Iterable[VideoEvent]) -> list[float | None]:
    """For each event the time of the first answer of its person that covers it, or None.

    >>> sent = [Sent("ana", 0, 7, 1.0), Sent("ana", 0, 8, 1.5), Sent("ben", 1, 3, 1.0)]
    >>> answered(sent, [VideoEvent("ana", 0, 8, 2.0)])
    [2.0, 2.0, None]
    """
    of_user: dict[tuple[str, int], list[VideoEvent]] = defaultdict(list)
    for one in seen:
        of_user[one.user_id, one.partition].append(one)
    covered = {who: list(accumulate((one.offset for one in mine), max)) for who, mine in of_user.items()}
    found: list[float | None] = []
    for event in sent:
        who = (event.user_id, event.partition)
        place = bisect_left(covered.get(who, []), event.offset)
        found.append(of_user[who][place].at_s if place < len(of_user.get(who, [])) else None)
    return found


def backlog(sent_s: Sequence[float], answered_s: Sequence[float | None]) -> Backlog:
    """How many events were unanswered at even times between the first and the last, and how that moved.

    >>> sent = [n / 1000 for n in range(4000)]
    >>> steady, growing = backlog(sent, [at + 0.02 for at in sent]), backlog(sent, [2 * at for at in sent])
    >>> round(steady.growth, 1), steady.least, round(growing.growth, 1), growing.least > 900
    (0.0, 20, 500.0, True)
    """
    begin, end = sent_s[0], sent_s[-1]
    at_s = np.arange(begin + (end - begin) / 10, end, SAMPLE_S)  # after the first answers
    if len(at_s) < 2:
        return Backlog(float("nan"), 0)
    ends = np.sort([np.inf if one is None else one for one in answered_s])
    open_then = np.searchsorted(np.asarray(sent_s), at_s, "right") - np.searchsorted(ends, at_s, "right")
    return Backlog(float(np.polyfit(at_s - begin, open_then, 1)[0]), int(open_then[len(at_s) // 2 :].min()))
