"""Live traffic at an even pace, and the answers to it: sender and reader are processes of their own.

Both use the machine's monotonic clock. The sender notes a time just before it hands an event to librdkafka; it keeps
to its timetable whatever the answers do. The reader takes one record at a time, as it comes: a consumer that asks
for many with a time-out adds that time-out to what it measures.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import msgspec
from confluent_kafka import Consumer

from schemas.messages import feedback
from schemas.messages.recommendations import Trigger
from schemas.settings.model import Settings
from schemas.topics import FEEDBACK
from streams.errors import OperatorError
from streams.kafka.records import partition_of
from tests.bench import wire
from tests.bench.answers import Measured, Sent, Traffic, VideoEvent, measured_by
from tests.bench.engines import Running
from tests.bench.machine import cpu_seconds
from tests.bench.work import WORKS, Place, user_of

ANSWER_S = 10.0  # how long after the last event answers are waited for
SLOT_S = 0.001  # the sender wakes so often: what is due by then goes out
LOOK_S = 0.1
START_S = 60.0  # of a process on a busy machine; a guess


class _Slate(msgspec.Struct):
    trigger: Trigger


_slate = msgspec.json.Decoder(_Slate).decode


def _place_in_slate(value: bytes) -> Place:
    trigger = _slate(value).trigger
    return trigger.partition, trigger.offset


PLACE_IN: dict[str, Callable[[bytes], Place]] = {name: work.place_in for name, work in WORKS.items()}
PLACE_IN["slate"] = _place_in_slate


def measure(
    settings: Settings,
    traffic: Traffic,
    output: str,
    kind: str,
    processes: Sequence[Running],
    beside: Sequence[int] = (),
) -> Measured:
    """Send the traffic and measure from each event to the first answer of its person that covers it.

    Answers of that kind (a name in PLACE_IN) are read from the topic `output`. The CPU time is that of the processes,
    and then of those with the ids in `beside`.
    """
    pids = [*(process.pid for process in processes), *beside]

    def check() -> None:
        for process in processes:
            process.check()

    with _apart(_read, settings, output, kind) as reader, _apart(_send, settings, traffic) as sender:
        _received(reader, START_S, check)  # it stands at the end of the topic
        _received(sender, START_S, check)  # all is encoded
        sender.send("go")
        _received(sender, traffic.warm_s + START_S, check)
        before_s = [cpu_seconds(pid) for pid in pids]
        sent: list[Sent] = _received(sender, traffic.seconds + START_S, check)
        reader.send({one.user_id: (one.partition, one.offset) for one in sent})
        seen: list[VideoEvent] = _received(reader, ANSWER_S + START_S, check)
        cpu_s = [cpu_seconds(pid) - s for pid, s in zip(pids, before_s, strict=True)]
    return measured_by(traffic, sent, seen, cpu_s)


@contextmanager
def _apart(work: Callable[..., None], *given: Any) -> Iterator[Connection]:
    """A function in a process of its own, with a connection to it as its last argument."""
    server = get_context("forkserver")  # a plain fork would take over threads of librdkafka
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


def _received(connection: Connection, limit_s: float, check: Callable[[], None]) -> Any:
    end_s = time.monotonic() + limit_s
    while not connection.poll(LOOK_S):
        check()
        if time.monotonic() > end_s:
            raise OperatorError(f"Sender or reader did not answer within {limit_s:g} s.", "Is the machine very busy?")
    try:
        return connection.recv()
    except EOFError as error:
        raise OperatorError("Sender or reader ended early.", "Its error stands above.") from error


class _Made(NamedTuple):
    """An event ready to be sent."""

    user_id: str
    key: bytes
    value: bytes
    partition: int


def _send(settings: Settings, traffic: Traffic, parent: Connection) -> None:
    made = list(_made(settings, traffic))  # encoded before, as the sender shares the cores with what is measured
    sender, topic = wire.producer(settings, linger_ms=0), FEEDBACK.full(settings.prefix)
    sender.list_topics(topic, timeout=START_S)  # the connection is there before the first event
    offsets: dict[int, list[int]] = defaultdict(list)  # by partition, in the order of sending: the sender is idempotent
    times_s: list[float] = []

    def heard(error: Any, message: Any) -> None:
        if error is not None:
            raise OperatorError(f"An event was not confirmed: {error}.", "Look at the broker's log.")
        offsets[message.partition()].append(message.offset())

    def pour(end: int) -> None:
        while (number := len(times_s)) < end:
            due = traffic.due(time.monotonic() - began_s) + 1
            for one in made[number : min(due, end)]:
                times_s.append(time.monotonic())
                sender.produce(topic, one.value, one.key, one.partition, heard)
            sender.poll(0)
            time.sleep(SLOT_S)

    parent.send("ready")
    parent.recv()
    began_s = time.monotonic()
    pour(traffic.unmeasured)
    parent.send("warm")
    pour(len(made))
    sender.flush(START_S)
    parent.send(_sent(made, times_s, offsets)[traffic.unmeasured :])


def _made(settings: Settings, traffic: Traffic) -> Iterator[_Made]:
    """The events; their times are those at which they are due, if the sending began now."""
    now_ms, count = int(time.time() * 1000), traffic.unmeasured + traffic.count
    due_ms = (now_ms + ms for ms in range(1000 * (traffic.warm_s + traffic.seconds)) for _ in _due_in(traffic, ms))
    for event in traffic.world.events(count, traffic.name, lambda: next(due_ms)):
        key = event.user_id.encode()
        yield _Made(event.user_id, key, feedback.encode(event), partition_of(key, settings.partitions))


def _due_in(traffic: Traffic, ms: int) -> range:
    return range(traffic.due(ms / 1000), traffic.due((ms + 1) / 1000))


def _sent(made: Sequence[_Made], times_s: Sequence[float], offsets: dict[int, list[int]]) -> list[Sent]:
    of_partition = {partition: iter(mine) for partition, mine in offsets.items()}
    return [
        Sent(one.user_id, one.partition, next(of_partition[one.partition]), at_s)
        for one, at_s in zip(made, times_s, strict=True)
    ]


def _read(settings: Settings, output: str, kind: str, parent: Connection) -> None:
    with wire.consumer(settings, output, from_end=True) as reader:
        parent.send("ready")
        parent.send(_seen(reader, PLACE_IN[kind], parent))


def _seen(reader: Consumer, place_in: Callable[[bytes], Place], parent: Connection) -> list[VideoEvent]:
    """Everything that comes, until all is answered that the parent sends at the end, or the limit is over."""
    seen: list[VideoEvent] = []
    newest: dict[str, int] = {}
    left: dict[str, int] | None = None  # offsets that are not covered yet, once the sender has ended
    look_s = end_s = time.monotonic()
    while left is None or (left and time.monotonic() < end_s):
        record = reader.poll(0.05)
        at_s = time.monotonic()
        if record is not None and not record.error() and record.value():
            user, (partition, offset) = user_of(record.key() or b""), place_in(record.value())
            seen.append(VideoEvent(user, partition, offset, at_s))
            newest[user] = max(offset, newest.get(user, -1))
            if left and newest[user] >= left.get(user, offset + 1):
                del left[user]
        if left is None and at_s >= look_s:
            look_s = at_s + LOOK_S
            if parent.poll():
                wanted = parent.recv()
                left = {user: offset for user, (_, offset) in wanted.items() if newest.get(user, -1) < offset}
                end_s = at_s + ANSWER_S
    return seen
