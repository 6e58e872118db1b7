"""Faust's consumer on librdkafka: single-threaded, a few milliseconds of the event loop at a time.

Faust hands an agent one record at a time and commits what an agent dropped by an exception. This driver extends it
where Faust lets a transport be replaced: each event's value is a `Poll`, the next fetch waits until the in-flight poll
is done, and only done polls move the committed offset. As rebalances happen inside a fetch, no partition is revoked
while a poll of it is in flight.
"""

import asyncio
import gc
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import confluent_kafka as kafka
from faust.types import TP
from mode import Service
from mode.utils.futures import notify

from streams.kafka.client import CLIENT, CONSUMER, GROUP, answered_in_time
from streams.kafka.gather import Gather
from streams.kafka.log_ends import LogEnds
from streams.kafka.outage import OF_OUTAGE
from streams.kafka.poll import Poll, PollDropped
from streams.kafka.positions import STATISTICS_INTERVAL_MS
from streams.kafka.records import Message, by_partition
from streams.kafka.rejoin import RejoiningConsumer
from streams.kafka.stalled import StallWatch

log = logging.getLogger("freshet.consumer")

POLL_SLICE_S = 0.02  # of the event loop that a fetch takes at a time; what else runs there waits as long
GC_THRESHOLD = 50_000  # objects between two collections; with Python's 700 they took a fifth of a backlog's time
STOP_TIMEOUT_S = 5.0  # for a last commit, for giving the partitions back, and for leaving the group
Partitions = Sequence[kafka.TopicPartition]


class Consumer(RejoiningConsumer):
    """Exactly one poll in flight; Faust is notified of rebalances between two polls."""

    _is_serving = False
    _in_flight: Poll | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # whatever Faust hands its consumers
        super().__init__(*args, **kwargs)
        self._fetched_s = 0.0
        self._gather = Gather()
        self._stalls = StallWatch(self.transport.settings)  # type: ignore[attr-defined]
        self._log_ends = LogEnds(self.transport.settings)  # type: ignore[attr-defined]
        self.polls = 0  # done so far

    async def on_start(self) -> None:
        """Make the client; it connects by itself."""
        settings = self.transport.options | self.transport.fetching  # type: ignore[attr-defined]
        group = {"group.id": self.app.conf.id, "client.id": self.app.conf.broker_client_id}
        size = {"fetch.message.max.bytes": self.app.conf.consumer_max_fetch_size}
        asked = {"statistics.interval.ms": STATISTICS_INTERVAL_MS, "stats_cb": self.positions.observer()}
        self._client = kafka.Consumer(
            {**CLIENT, **CONSUMER, **GROUP, **settings, **group, **size, **asked, "on_commit": self._on_commit}
        )
        self._watch.start()

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Join the group for these topics."""
        self._topics = sorted(topics)
        self._client.subscribe(
            self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    @Service.task
    async def _serve(self) -> None:
        """Fetch, notify Faust of what the group decided, hand over, wait; for as long as the worker runs."""
        self._is_serving = True
        try:
            while not self._is_stopping:
                await self._serve_once()
        finally:
            self._is_serving = False

    @property
    def _is_stopping(self) -> bool:
        return self.should_stop or bool(self.app.should_stop)

    async def _serve_once(self) -> None:
        await self._rejoin_where_needed()
        if self._assigned and not self.flow_active:  # recovering; without partitions only a fetch can bring some
            await self.wait_first(self.can_resume_flow.wait(), timeout=1.0)
        elif await self._fetch_and_hand_over():
            await asyncio.sleep(max(0.0, self._fetched_s + self._gather.interval_s - time.monotonic()))
        else:
            await asyncio.sleep(0)
        if self.flowing and not self._is_stopping:
            await self.positions.advance(self._client)
            if not await self._leave_former_topics():
                for check in self.transport.between_polls:  # type: ignore[attr-defined]
                    await check()

    async def _fetch_and_hand_over(self) -> bool:
        first = self._client.poll(POLL_SLICE_S)
        messages = [] if first is None else [first, *self._client.consume(self.app.conf.broker_max_poll_records, 0)]
        self._fetched_s, self._before_s = time.monotonic(), self._fetched_s
        if self._rebalances:
            await self._notify_faust()  # these messages are redelivered to whoever owns their partitions now
            return False
        refused: list[Message] = []
        records = by_partition(self._rights.without_refusals(messages), refused)
        found = {TP(*place): batch for place, batch in records.items()}
        if await self._is_of_former_topics(found):
            return False
        unreadable = await self._stalls.passed_over(self._client, refused, self.positions.starts, records)
        if self._stalls.deaf_to is not None and not (records or self._rights.lacking):
            deaf_to, self._stalls.deaf_to = self._stalls.deaf_to, None
            await self._rejoin("the client fetches nothing of {}[{}], which holds records".format(*deaf_to))
            return False
        if records or unreadable:
            await self._hand_over(Poll(found, self.suspend_flow, self.positions.finish, unreadable))
        return bool(records or unreadable)

    @property
    def _generation(self) -> int:
        return self.app.consumer_generation_id

    def _on_assign(self, client: kafka.Consumer, partitions: list[kafka.TopicPartition]) -> None:
        if client is not self._client:
            return  # one that was replaced
        self._lost_s, self._is_assignment_known = None, True
        client.assign(partitions)  # each begins at its committed offset, unless `_begin` knows better
        client.pause(partitions)  # until Faust's recovery is over
        self._rebalances.append(("assigned", _tps(partitions)))

    def _on_revoke(self, client: kafka.Consumer, partitions: Partitions) -> None:
        """Commit what is done before the partitions are revoked: no poll is in flight during a fetch."""
        if client is not self._client:
            return
        try:
            if offsets := self.positions.commit(self.positions.drop(_tps(partitions))):
                client.commit(offsets=offsets, asynchronous=False)
        except kafka.KafkaException as error:
            log.warning("offsets were not committed, redelivered: %s", error.args[0].str(), extra=OF_OUTAGE)
        self._await_assignment()
        self._rebalances.append(("revoked", _tps(partitions)))

    def _on_lost(self, client: kafka.Consumer, partitions: Partitions) -> None:
        if client is not self._client:
            return
        log.warning("the group reassigned %d partitions: silent for too long", len(partitions), extra=OF_OUTAGE)
        self._lost_s = time.monotonic()
        self._await_assignment()
        self.positions.drop(_tps(partitions))
        self._rebalances.append(("revoked", _tps(partitions)))

    def _on_commit(self, error: kafka.KafkaError | None, partitions: Partitions) -> None:
        for one in partitions:
            if error is not None or one.error is not None:
                what = one.topic, one.partition, error or one.error
                log.warning("the offset of %s[%d] was not committed: %s", *what, extra=OF_OUTAGE)
                self._committed_offset.pop(TP(one.topic, one.partition), None)  # to be committed again

    async def _notify_faust(self) -> None:
        """Notify Faust of revoked and assigned partitions, in the order in which the group decided."""
        while self._rebalances:
            what, tps = self._rebalances.pop(0)
            if what == "revoked":
                self.app.on_rebalance_start()
                await self.on_partitions_revoked(tps)
                self._assigned = self._assigned - tps  # a new set: Faust walks through the old one, with pauses
            else:
                if not self.app.rebalancing:
                    self.app.on_rebalance_start()
                self._assigned = tps
                self.stop_flow()  # until Faust's recovery resumes it
                try:
                    await self._begin(tps)
                except TimeoutError as why:
                    await self._rejoin(str(why))
                    continue
                self.app.consumer_generation_id += 1
                await self.on_partitions_assigned(tps, self._generation)

    async def perform_seek(self) -> None:
        """Faust's recovery is over: resume the partitions, at the committed offsets where librdkafka has them."""
        gc.unfreeze()
        gc.collect()
        gc.freeze()  # the collector need not walk what stays
        gc.set_threshold(GC_THRESHOLD, *gc.get_threshold()[1:])
        self._client.resume([_topic_partition(tp) for tp in self._assigned])

    async def _hand_over(self, poll: Poll) -> None:
        self._in_flight = poll
        await self.callback(poll.as_message(self._generation))
        await poll.returned.wait()
        self._in_flight = None
        if poll.finished:
            self.polls += 1
            self._gather.observe(len(poll), time.monotonic() - self._fetched_s, self._fetched_s - self._before_s)
            self.positions.read.update(poll.next_offsets())
            return
        self.positions.distrust()
        if self.flow_active and not self.app.should_stop:
            tp = min(poll.next_offsets())
            raise PollDropped(
                f"the agent dropped a poll of {len(poll)} records from {tp.topic}[{tp.partition}]; "
                "its offsets are not committed, so it is redelivered after a restart"
            )

    def ack(self, message: Any) -> bool:  # a ConsumerMessage whose value is a Poll, of which Faust knows nothing
        """Faust gives an event back: done if its poll is, dropped otherwise."""
        message.value.returned.set()
        message.acked = True
        self._unacked_messages.discard(message)  # what else Faust notes down of single messages only grows here
        notify(self._waiting_for_ack)
        return True

    async def on_task_error(self, exc: BaseException) -> None:
        """An agent raised: Faust would commit and restart it, here the fetch loop ends the process instead."""
        if self._in_flight is not None:
            self._in_flight.returned.set()

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:  # topic names, partitions, or both
        return (tp for tp in list(self.positions.done) if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        return self.positions.done.get(tp)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        partitions = self.positions.commit(offsets)
        if not self.app.should_stop:
            self._client.commit(offsets=partitions, asynchronous=True)  # the result comes to _on_commit
            return True
        try:
            commit = asyncio.to_thread(self._client.commit, offsets=partitions, asynchronous=False)
            await asyncio.wait_for(commit, STOP_TIMEOUT_S)
        except (kafka.KafkaException, TimeoutError) as error:
            log.warning("the last offsets were not committed, so their records are redelivered: %s", error)
            return False
        return True

    async def on_stop(self) -> None:
        """Commit, then leave the group so that its others need not wait for the session's end."""
        await super().on_stop()
        await self._until_nothing_is_asked()
        self.positions.done.clear()  # committed, or to be redelivered
        await self._give_back()
        await self._end_questions()
        try:
            await asyncio.wait_for(asyncio.to_thread(self._client.close), STOP_TIMEOUT_S)
        except TimeoutError:
            log.warning("the consumer did not leave its group in order: the broker does not answer")

    async def _until_nothing_is_asked(self) -> None:
        """A client must not be closed while it is asked; a poll in flight is the agent's, and asks nothing."""
        end = time.monotonic() + STOP_TIMEOUT_S
        while self._is_serving and self._in_flight is None and time.monotonic() < end:  # noqa: ASYNC110  # no event of ours
            await asyncio.sleep(POLL_SLICE_S)

    async def _give_back(self) -> None:
        """Take the last revocation before the close, which can hang if it has to deliver it (librdkafka #4884)."""
        self._client.unsubscribe()  # local, and so is the revocation: no broker is needed
        end = time.monotonic() + STOP_TIMEOUT_S
        while self._client.assignment() and time.monotonic() < end:
            self._client.poll(POLL_SLICE_S)  # what it brings is redelivered to whoever owns its partition next
            await asyncio.sleep(0)
        if left := _tps(self._client.assignment()):
            self.positions.drop(left)
            self._rebalances.append(("revoked", left))

    def assignment(self) -> set[TP]:
        """The partitions that this worker owns."""
        return self._assigned

    @property
    def joined(self) -> bool:
        """Whether the group has assigned this worker its partitions, be it an empty set."""
        return self._generation > 0

    @property
    def flowing(self) -> bool:
        """Whether recovery is over and records are fetched; not while Faust is still to be notified of a rebalance."""
        return self.joined and self.flow_active and not (self._rebalances or self.app.rebalancing)

    @property
    def in_flight(self) -> int:
        """Records of the in-flight poll."""
        poll = self._in_flight
        return 0 if poll is None else len(poll)

    async def ends_of(self, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """The offset after the last record of any partitions; TimeoutError where the broker does not answer."""
        # Another client asks, once for all: a question to this one waits for its fetch, half a second in quiet times.
        return await answered_in_time(self._log_ends.ends, list(places))


def _tps(partitions: Partitions) -> set[TP]:
    return {TP(one.topic, one.partition) for one in partitions}


def _topic_partition(tp: TP) -> kafka.TopicPartition:
    return kafka.TopicPartition(tp.topic, tp.partition)
