"""One topic, followed by a thread without a group: all partitions, from where its reader has come to, for ever."""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from schemas.settings.model import Settings
from streams.kafka.client import ANSWER_TIMEOUT_S, PATIENCE_S, RETRY_DELAY_S, KafkaException, is_transient
from streams.kafka.outage import OF_OUTAGE
from streams.kafka.reader import FETCH_BATCH_SIZE, GrouplessConsumer, groupless, is_end, watermarks
from streams.kafka.records import Message, Record, TopicPartition, records_of
from streams.kafka.stalled import SILENT_S, pass_stalled
from streams.kafka.thinned_log import Thinned
from streams.kafka.topic_watch import TopicIdentity, TopicWatch
from streams.kafka.unreadable import pass_over

log = logging.getLogger("freshet.follower")
log.addFilter(Thinned())

POLL_S = 0.5  # the longest wait for a record; one that comes ends it
CHECK_INTERVAL_S = 2.0  # between two questions for the ends


class Following(Protocol):
    """What takes a topic's records in, and knows how far."""

    def begin(self, topic: TopicIdentity, ends: Mapping[int, int]) -> Mapping[int, int]:
        """Where each partition is read on: what was kept of a topic of another id counts for nothing."""

    def apply(self, partition: int, records: Sequence[Record], position: int) -> None:
        """Take in what one partition has before `position`; StartAgain where that does not fit what is kept."""


class StartAgain(Exception):
    """What is kept is not what it was at `begin`: that is to be called again."""


class TopicFollower:
    """Follows a topic for as long as the process lives.

    watch  is asked for the topic's id; one that was deleted and made again is read from its beginning
    """

    def __init__(self, settings: Settings, name: str, watch: TopicWatch, into: Following) -> None:
        self._settings, self._name, self._watch, self._into = settings, name, watch, into
        self.read: dict[int, int] = {}  # by partition, the offset behind what is applied
        self.lag = -1  # records that are not applied yet, by the last answer; -1 before the first
        self.caught_up = False  # once
        self.answered_s = 0.0  # when the broker last told the ends, by the monotonic clock
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._watch.follow([self._name])
        self._thread.start()

    def stop(self) -> None:
        """End, after the batch that is being applied."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(2 * ANSWER_TIMEOUT_S)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._follow()
            except StartAgain as why:
                log.info("%s is read on from what is kept by now: %s", self._name, why)
                self._stopped.wait(RETRY_DELAY_S)
            except TimeoutError as why:
                log.warning("%s: %s; reading on with another client", self._name, why, extra=OF_OUTAGE)
            except KafkaException as error:
                if not is_transient(error.args[0]):
                    log.error("%s cannot be read: %s", self._name, error.args[0].str())
                self._stopped.wait(RETRY_DELAY_S)
            except (
                Exception
            ) as error:  # a full disk, a store that is away: the position did not move, so nothing is lost
                cause = f"{type(error).__name__}: {' '.join(str(error).split())}"
                log.error("%s: a batch could not be applied, and is tried again (%s)", self._name, cause)
                log.debug("where that happened", exc_info=error)
                self._stopped.wait(RETRY_DELAY_S)

    def _follow(self) -> None:
        topic = self._identity()
        if topic is None:
            self._stopped.wait(RETRY_DELAY_S)
            return
        # one reads, one asks: a question would wait for the fetches before it, half a second each in quiet times
        with (
            groupless(self._settings, close_in_background=True) as consumer,
            groupless(self._settings, close_in_background=True) as asker,
        ):
            ends = self._ends(asker, topic)
            starts = self._into.begin(topic, ends)
            self.read = {p: starts.get(p, 0) for p in range(topic.partitions)}
            consumer.assign([TopicPartition(self._name, p, offset) for p, offset in self.read.items()])
            self._read_on(consumer, asker, topic)

    def _identity(self) -> TopicIdentity | None:
        """The topic as it is, None while there is none; KafkaException where the broker does not answer."""
        return self._watch.current.get(self._name) or self._watch.ask().get(self._name)

    def _read_on(self, consumer: GrouplessConsumer, asker: GrouplessConsumer, topic: TopicIdentity) -> None:
        """Read until the topic is another one; TimeoutError where the client gets nothing although there is more."""
        heard_s = answered_s = time.monotonic()
        next_check_s = 0.0
        while not self._stopped.is_set():
            messages = consumer.consume(1, POLL_S)  # of more it would wait for all of them
            if messages:
                messages += consumer.consume(FETCH_BATCH_SIZE, 0)
                self._take(consumer, messages)
                heard_s = time.monotonic()
            now_s = time.monotonic()
            if now_s < next_check_s:
                continue
            next_check_s = now_s + CHECK_INTERVAL_S
            current = self._watch.current.get(self._name)
            if current is not None and current.id != topic.id:
                log.warning("%s was deleted and made again; it is read from its beginning", self._name)
                return
            try:
                ends = self._ends(asker, topic)
            except KafkaException as error:
                if time.monotonic() - answered_s > PATIENCE_S:
                    raise TimeoutError(f"no answer for {PATIENCE_S:g} s ({error.args[0].str()})") from None
                continue
            answered_s = self.answered_s = time.monotonic()
            self._judge(consumer, ends, now_s - heard_s)

    def _judge(self, consumer: GrouplessConsumer, ends: Mapping[int, int], silent_s: float) -> None:
        """Compare what is read with the ends, and look for what stopped a client that is silent short of them."""
        behind = {p: end - self.read[p] for p, end in ends.items() if end > self.read[p]}
        self.lag = sum(behind.values())
        self.caught_up = self.caught_up or not behind
        if not behind or silent_s < SILENT_S:
            return
        for p in behind:
            pass_stalled(self._settings, consumer, (self._name, p), ends[p], self.read[p])
        if silent_s > 2 * PATIENCE_S:
            raise TimeoutError(f"nothing came for {silent_s:.0f} s, {self.lag} records short of the end")

    def _take(self, consumer: GrouplessConsumer, messages: Iterable[Message]) -> None:
        refused: list[Message] = []
        by_partition: dict[int, list[Message]] = defaultdict(list)
        for message in messages:
            by_partition[message.partition()].append(message)
        for partition, own in by_partition.items():
            at_end = [message.offset() for message in own if is_end(message)]
            if records := records_of(own, refused):
                position = max([records[-1].offset + 1, *at_end])
                self._into.apply(partition, records, position)
                self.read[partition] = position
            elif at_end:
                self.read[partition] = max(self.read.get(partition, 0), at_end[-1])
        pass_over(self._settings, consumer, refused)

    def _ends(self, asker: GrouplessConsumer, topic: TopicIdentity) -> dict[int, int]:
        return {p: watermarks(asker, self._name, p, ANSWER_TIMEOUT_S)[1] for p in range(topic.partitions)}
