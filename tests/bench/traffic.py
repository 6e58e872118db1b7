"""Live traffic at an even pace, and when each event was answered: sender and reader are processes of their own.

Both use the machine's monotonic clock. The sender notes a time just before it hands an event to librdkafka; it
keeps to its timetable whatever the answers do.
"""

import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import msgspec

from ranker.state import Origin
from schemas import events
from schemas.outputs import Trigger
from schemas.settings import Settings
from schemas.topics import FEEDBACK, PROFILES, RECOMMENDATIONS, Topic
from streams.kafka import partition_of
from streams.trouble import Trouble
from tests.bench import wire
from tests.bench.engines import Running
from tests.bench.machine import cpu_seconds
from tests.bench.world import World

ANSWER_S = 10.0  # how long after the last event answers are waited for
LOOK_S = 0.1
START_S = 60.0  # of a process on a busy machine; a guess


class Sent(NamedTuple):
    """An event that the broker has confirmed."""

    user_id: str
    partition: int
    offset: int
    at_s: float


class Seen(NamedTuple):
    """A state or slate that has arrived, and the place of the newest event that it takes into account."""

    user_id: str
    partition: int
    offset: int
    at_s: float


@dataclass(frozen=True)
class Traffic:
    """How much is sent: `seconds` long `rate` events a second, named so that no other traffic has their ids."""

    world: World
    rate: int
    seconds: int
    warm_s: int  # of the same traffic before, which is not measured
    name: str

    @property
    def count(self) -> int:
        """Measured events."""
        return self.rate * self.seconds

    @property
    def unmeasured(self) -> int:
        """Events before those."""
        return self.rate * self.warm_s


@dataclass(frozen=True)
class Measured:
    """What became of the traffic."""

    delays_ms: list[float]
    unanswered: int
    answers: int
    sent_s: float  # from the first to the last event
    cpu_s: list[float]  # of each process, from the first event until the last is answered


class _State(msgspec.Struct, array_like=True, tag="p1"):
    """The first fields of a packed profile."""

    version: int
    newest_ms: int
    origin: Origin


class _Slate(msgspec.Struct):
    trigger: Trigger


_state, _slate = msgspec.msgpack.Decoder(_State).decode, msgspec.json.Decoder(_Slate).decode


def _place_of_state(value: bytes) -> tuple[int, int]:
    origin = _state(value).origin
    return origin.partition, origin.offset


def _place_of_slate(value: bytes) -> tuple[int, int]:
    trigger = _slate(value).trigger
    return trigger.partition, trigger.offset


PLACE_OF: dict[str, Callable[[bytes], tuple[int, int]]] = {
    PROFILES.name: _place_of_state,
    RECOMMENDATIONS.name: _place_of_slate,
}


def measure(settings: Settings, traffic: Traffic, answers: Topic, processes: Sequence[Running]) -> Measured:
    """Send the traffic and measure from each event to the first answer of its person that covers it."""

    def check() -> None:
        for process in processes:
            process.check()

    with _apart(_read, settings, answers) as reader, _apart(_send, settings, traffic) as sender:
        _receive(reader, START_S, check)  # it stands at the end of the topic
        _receive(sender, START_S, check)
        sender.send("go")
        _receive(sender, traffic.warm_s + START_S, check)
        before_s = [cpu_seconds(process.pid) for process in processes]
        sent: list[Sent] = _receive(sender, traffic.seconds + START_S, check)
        reader.send({one.user_id: (one.partition, one.offset) for one in sent})
        seen: list[Seen] = _receive(reader, ANSWER_S + START_S, check)
        spent_s = [cpu_seconds(process.pid) - s for process, s in zip(processes, before_s, strict=True)]
    delays_ms = delays(sent, seen)
    fresh = sum(one.at_s >= sent[0].at_s for one in seen)
    return Measured(delays_ms, len(sent) - len(delays_ms), fresh, sent[-1].at_s - sent[0].at_s, spent_s)


def delays(sent: Iterable[Sent], seen: Iterable[Seen]) -> list[float]:
    """For each answered event the ms until the first answer of its person that covers it.

    >>> sent = [Sent("ana", 0, 7, 1.0), Sent("ana", 0, 8, 1.5), Sent("ben", 1, 3, 1.0)]
    >>> delays(sent, [Seen("ana", 0, 8, 2.0)])
    [1000.0, 500.0]
    """
    of_user: dict[tuple[str, int], list[Seen]] = defaultdict(list)
    for one in seen:
        of_user[one.user_id, one.partition].append(one)
    covered = {who: list(accumulate((one.offset for one in mine), max)) for who, mine in of_user.items()}
    found = []
    for event in sent:
        who = (event.user_id, event.partition)
        place = bisect_left(covered.get(who, []), event.offset)
        if place < len(of_user.get(who, [])):
            found.append(1000 * (of_user[who][place].at_s - event.at_s))
    return found


@contextmanager
def _apart(work: Callable[..., None], *given: Any) -> Iterator[Connection]:
    """A function in a process of its own, with a connection to it as its last argument."""
    server = get_context("forkserver")  # a plain fork would take over threads of librdkafka
    server.set_forkserver_preload([__name__])  # imports once, however many processes it makes
    here, there = server.Pipe()
    process = server.Process(target=work, args=(*given, there), daemon=True)
    process.start()
    there.close()
    try:
        yield here
    finally:
        here.close()
        process.kill()
        process.join()


def _receive(connection: Connection, limit_s: float, check: Callable[[], None]) -> Any:
    end_s = time.monotonic() + limit_s
    while not connection.poll(LOOK_S):
        check()
        if time.monotonic() > end_s:
            raise Trouble(f"Sender or reader did not answer within {limit_s:g} s.", "Is the machine very busy?")
    try:
        return connection.recv()
    except EOFError as error:
        raise Trouble("Sender or reader ended early.", "Its error stands above.") from error


def _send(settings: Settings, traffic: Traffic, parent: Connection) -> None:
    sender, topic = wire.producer(settings, linger_ms=0), FEEDBACK.full(settings.prefix)
    sent: list[Sent] = []
    count = traffic.unmeasured + traffic.count
    stream = traffic.world.events(count, traffic.name, lambda: int(time.time() * 1000))
    sender.list_topics(topic, timeout=START_S)  # the connection is there before the first event
    parent.send("ready")
    parent.recv()
    began_s = time.monotonic()
    for number in range(count):
        if number == traffic.unmeasured:
            parent.send("warm")
        due_s = began_s + number / traffic.rate
        while (early_s := due_s - time.monotonic()) > 0:
            sender.poll(early_s)
        event = next(stream)
        key, value = event.user_id.encode(), events.encode(event)
        into = sent if number >= traffic.unmeasured else []
        heard = partial(_heard, into, event.user_id, time.monotonic())
        sender.produce(topic, value, key, partition_of(key, settings.partitions), heard)
    sender.flush(START_S)
    parent.send(sorted(sent, key=lambda one: one.at_s))


def _heard(sent: list[Sent], user_id: str, at_s: float, error: Any, message: Any) -> None:
    if error is not None:
        raise Trouble(f"An event was not confirmed: {error}.", "Look at the broker's log.")
    sent.append(Sent(user_id, message.partition(), message.offset(), at_s))


def _read(settings: Settings, topic: Topic, parent: Connection) -> None:
    reader, place_of = wire.consumer(settings, topic, from_end=True), PLACE_OF[topic.name]
    parent.send("ready")
    seen: list[Seen] = []
    newest: dict[str, int] = {}
    left: dict[str, int] | None = None  # offsets that are not covered yet, once the sender has ended
    look_s = end_s = time.monotonic()
    while left is None or (left and time.monotonic() < end_s):
        record = reader.poll(0.05)
        at_s = time.monotonic()
        if record is not None and not record.error():
            user, (partition, offset) = (record.key() or b"").decode(), place_of(record.value() or b"")
            seen.append(Seen(user, partition, offset, at_s))
            newest[user] = max(offset, newest.get(user, -1))
            if left and newest[user] >= left.get(user, offset + 1):
                del left[user]
        if left is None and at_s >= look_s:
            look_s = at_s + LOOK_S
            if parent.poll():
                wanted = parent.recv()
                left = {user: offset for user, (_, offset) in wanted.items() if newest.get(user, -1) < offset}
                end_s = at_s + ANSWER_S
    parent.send(seen)


def per_second(measured: Measured) -> float:
    """Answers a second."""
    return measured.answers / measured.sent_s if measured.sent_s else float("nan")


def as_sent(traffic: Traffic, measured: Measured) -> str:
    """Say so where the sender could not keep its pace: then the machine was too busy to tell anything."""
    pace = (traffic.count - 1) / measured.sent_s if measured.sent_s else 0.0
    return "" if pace > 0.97 * traffic.rate else f"only {pace:.0f} of {traffic.rate} events a second could be sent"
