"""Recording: uploads, feedback and erasures of a live system, read from their topics into one log.

The log itself says how far it has come: whoever was interrupted goes on behind the last record of each partition.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple

from ranker.profile.erasure import coder
from schemas.settings.model import Settings
from schemas.topics import ERASED, ERASURES, FEEDBACK, UPLOADS
from streams.errors import OperatorError
from streams.kafka.client import KafkaException
from streams.kafka.command_reader import CommandReader, command_reader
from streams.kafka.partition_queues import partition_queues
from streams.kafka.records import Place, Record
from streams.kafka.security import librdkafka_options
from streams.kafka.topic_watch import TopicIdentity, TopicWatch
from streams.logs.erasure_places import TookEffectByCode
from streams.logs.live_order import LiveOrder
from streams.logs.recorded import line_of
from streams.logs.recording import Recording

PROGRESS_EVERY = 500  # lines
FOLLOW_INTERVAL_S = 1.0  # between two looks at the ends
AGENT_INTERVAL_S = 0.2
AGENT_WAIT_S = 15.0  # without progress: longer than a rebalance takes after a kill
NEW_LOG = "Begin a new log: name another file."


class Progress(NamedTuple):
    """How far a recording has come."""

    taken: int  # offsets since it began
    of: int
    written: int  # lines, with those of earlier runs


class Recorder:
    """Appends to a log what its topics hold.

    log     what is in it already
    report  called with a line for people
    """

    def __init__(
        self, settings: Settings, reader: CommandReader, log: Recording, report: Callable[[str], None]
    ) -> None:
        self._settings, self._reader, self._log, self._report = settings, reader, log, report
        self._topics = tuple(topic.full(settings.prefix) for topic in (UPLOADS, FEEDBACK))
        self._erasures, self._erased = ERASURES.full(settings.prefix), ERASED.full(settings.prefix)
        self._code = coder(settings.erasure_key.get_secret_value())
        self._took_effect = TookEffectByCode()
        self._read: dict[str, dict[int, int]] = {self._erasures: {}, self._erased: {}}  # topic → partition → offset
        names = (*self._topics, self._erasures)
        self._partitions = {name: len(reader.require_partitions(name)) for name in names}
        self._watch = TopicWatch(librdkafka_options(settings))
        self._watch.follow((*names, self._erased))
        self._identities = self._ask_for_topics()
        log.require_topics(self._partitions)
        self._starts = self._first_offsets()
        self.order = LiveOrder(settings.prefix, self._partitions, self._begins())
        self.written = 0
        self._is_warned = False

    def run(self, out: BinaryIO, follow: bool, on_progress: Callable[[Progress], None]) -> None:
        """Write everything up to the present ends; with `follow` go on for as long as the process runs."""
        for record in self._log.records():
            self.order.recall(record)
            self.written += 1
        began = sum(self.order.reached.values())
        with partition_queues(self._settings, self.order.reached) as queues:
            while True:
                ends = {place: end for name in self._partitions for place, end in self._ends(name).items()}
                self._require_same_topics()  # whose ends these are
                self._read_erasures(ends)
                streams = {place: end for place, end in ends.items() if place in self.order.reached}
                queues.read_to(streams)
                for record in self.order.records(queues.next):
                    out.write(line_of(record, self._partitions[record.topic]))
                    self.written += 1
                    if self.written % PROGRESS_EVERY == 0:
                        on_progress(self._progress(began, streams))
                out.flush()
                self._require_same_topics()
                on_progress(self._progress(began, streams))
                if not follow:
                    return
                time.sleep(FOLLOW_INTERVAL_S)

    def _ask_for_topics(self) -> Mapping[str, TopicIdentity]:
        try:
            return self._watch.ask()
        except KafkaException as error:
            raise OperatorError(f"The topics cannot be asked for: {error.args[0].str()}.", "Try again.") from error

    def _require_same_topics(self) -> None:
        """OperatorError where one was deleted, or deleted and made again, since the recording began."""
        now = self._ask_for_topics()
        for name, before in self._identities.items():
            if name not in now or now[name].id != before.id:
                what = "was made again" if name in now else "was deleted"
                cause = f"{name} {what} while it was recorded: what the log lacks of it is gone."
                raise OperatorError(cause, NEW_LOG)

    def _progress(self, began: int, ends: Mapping[Place, int]) -> Progress:
        return Progress(sum(self.order.reached.values()) - began, sum(ends.values()) - began, self.written)

    def _ends(self, name: str) -> dict[Place, int]:
        return {(name, partition): end for partition, (_, end) in self._reader.bounds(name).items()}

    def _wait_for_agent(self, ends: Mapping[Place, int]) -> None:
        """Where erasures have no marker yet, give the profiles agent time to write them."""
        deadline, least = time.monotonic() + AGENT_WAIT_S, self._behind(ends)
        while least and self.order.erasures_by_time and time.monotonic() < deadline:
            time.sleep(AGENT_INTERVAL_S)
            self._read_markers()
            if (behind := self._behind(ends)) < least:
                deadline, least = time.monotonic() + AGENT_WAIT_S, behind
        if least and self.order.erasures_by_time and not self._is_warned:
            self._is_warned = True
            self._report(f"the profiles agent has not applied {least} records yet; erasures among them stand by time")

    def _behind(self, ends: Mapping[Place, int]) -> int:
        """How many records of what is recorded now the profiles agent has not committed."""
        places = [place for place in ends if not place[0].endswith(UPLOADS.name)]
        committed = {place: max(self._reader.committed(*place) or 0, self._starts[place]) for place in places}
        return sum(max(0, ends[place] - offset) for place, offset in committed.items())

    def _first_offsets(self) -> dict[Place, int]:
        """Where each partition goes on; OperatorError where what the log holds does not join it."""
        return {
            (name, partition): self._start(name, partition, first, end)
            for name in (*self._topics, self._erasures)
            for partition, (first, end) in self._reader.bounds(name).items()
        }

    def _start(self, name: str, partition: int, first: int, end: int) -> int:
        last = self._log.last.get((name, partition))
        if last is None:
            if first:
                self._report(f"{name}[{partition}] begins at offset {first}; what was before it is no longer there")
            return first
        after = last.offset + 1
        if after > end:
            cause = f"{name}[{partition}] ends at offset {end}, and the log goes to {after}: the topic was made again."
            raise OperatorError(cause, NEW_LOG)
        if after < first:
            cause = f"{name}[{partition}] begins at offset {first}: {after} to {first - 1} were deleted unrecorded."
            raise OperatorError(cause, NEW_LOG)
        if first <= last.offset:
            self._require_same(name, partition, last.offset, last.time_ms)
        return after

    def _require_same(self, name: str, partition: int, offset: int, time_ms: int) -> None:
        there = self._reader.one(name, partition, offset)
        if there is None or there.timestamp != time_ms:
            cause = (
                f"{name}[{partition}] holds another record at offset {offset} than the log: the topic was made again."
            )
            raise OperatorError(cause, NEW_LOG)

    def _begins(self) -> dict[Place, int]:
        places = (place for place in self._starts if place[0] != self._erasures)
        return {place: self._log.first.get(place, self._starts[place]) for place in places}

    def _read_erasures(self, ends: Mapping[Place, int]) -> None:
        """Take in the erasures before these ends, and where they took effect."""
        fresh = self._new_records(self._erasures, ends)
        self.order.add_erasures(one for one in fresh if not self._log.holds_erasure(one))
        if self.order.erasures_by_time:
            self._read_markers()
            self._wait_for_agent(ends)

    def _read_markers(self) -> None:
        for record in self._new_records(self._erased, self._ends(self._erased)):
            self._took_effect.add(record)
        self.order.settle(lambda user_id: self._took_effect.of(self._code(user_id)))

    def _new_records(self, topic: str, ends: Mapping[Place, int]) -> Iterator[Record]:
        read = self._read[topic]
        if all(end <= read.get(place[1], 0) for place, end in ends.items() if place[0] == topic):
            return
        for record in self._reader.records(topic, {**read}):
            if record.offset < ends[topic, record.partition]:
                read[record.partition] = record.offset + 1
                yield record


@contextmanager
def recorder(settings: Settings, log: Recording, report: Callable[[str], None]) -> Iterator[Recorder]:
    """A recorder for the time of a `with`."""
    group = {"group.id": f"{settings.prefix}profiles"}  # the agent's: not joined, only asked what it has committed
    with command_reader(settings, group) as reader:
        yield Recorder(settings, reader, log, report)
