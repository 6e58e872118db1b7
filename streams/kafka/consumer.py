"""Faust's consumer on librdkafka: single-threaded, a few milliseconds of the event loop at a time.

Faust hands an agent one record at a time and commits what an agent dropped by an exception. This driver extends it
where Faust lets a transport be replaced: each event's value is a `Poll`, the next fetch waits until the in-flight poll
is done, and only done polls move the committed offset. As rebalances happen inside a fetch, no partition moves while a
poll of it is in flight.
"""

import asyncio
import gc
import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import confluent_kafka as kafka
from faust.types import TP, ConsumerMessage
from mode import Service
from mode.utils.futures import notify

from streams.kafka.client import CLIENT, CONSUMER, GROUP
from streams.kafka.poll import Poll, PollDropped
from streams.kafka.reader import bounds
from streams.kafka.records import by_place
from streams.kafka.tableless import TablelessConsumer

log = logging.getLogger("freshet.runtime")

SLICE_S = 0.02  # of the event loop that a fetch takes at a time; what else runs there waits as long
GATHER_S = 0.005  # least time between two fetches: a poll costs about 1 ms, however little it brings
REJOIN_S = 15.0  # after a silence, then with another client; a rejoin takes 4 s
YOUNG = 50_000  # objects between two collections; with 700, as Python has it, they took a fifth of a backlog's time
STOP_S = 5.0  # for a last commit, for giving the partitions back, and for leaving the group
Places = Sequence[kafka.TopicPartition]


class Consumer(TablelessConsumer):
    """Exactly one poll in hand; rebalances are told to Faust between two polls."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._client: Any = None
        self._reads: list[str] = []
        self._assigned: set[TP] = set()
        self._news: list[tuple[str, set[TP]]] = []  # what the group decided during the last fetch
        self._done: dict[TP, int] = {}  # next offset to read behind everything that is done
        self._in_hand: Poll | None = None
        self._fetched_s = 0.0
        self._lost_s: float | None = None  # when the group gave our partitions away, until it gives us some again
        self.polls = 0  # done so far

    async def on_start(self) -> None:
        """Make the client; it connects by itself."""
        settings = self.transport.options  # type: ignore[attr-defined]
        group = {"group.id": self.app.conf.id, "client.id": self.app.conf.broker_client_id}
        size = {"fetch.message.max.bytes": self.app.conf.consumer_max_fetch_size}
        self._client = kafka.Consumer(
            {**CLIENT, **CONSUMER, **GROUP, **settings, **group, **size, "on_commit": self._on_commit}
        )

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Join the group for these topics."""
        self._reads = sorted(topics)
        self._client.subscribe(self._reads, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)

    @Service.task
    async def _serve(self) -> None:
        """Fetch, tell Faust what the group decided, hand over, wait; for as long as the worker runs."""
        while not (self.should_stop or self.app.should_stop):
            if self._lost_s is not None and time.monotonic() - self._lost_s > REJOIN_S:
                await self._begin_anew()
            if self._assigned and not self.flow_active:  # recovering; without partitions only a fetch can bring some
                await self.wait_first(self.can_resume_flow.wait(), timeout=1.0)
            elif await self._fetch_and_hand_over():
                await asyncio.sleep(max(0.0, self._fetched_s + GATHER_S - time.monotonic()))
            else:
                await asyncio.sleep(0)
            if self.flowing:
                for look in self.transport.between_polls:  # type: ignore[attr-defined]
                    await look()

    async def _fetch_and_hand_over(self) -> bool:
        first = self._client.poll(SLICE_S)
        messages = [] if first is None else [first, *self._client.consume(self.app.conf.broker_max_poll_records, 0)]
        self._fetched_s = time.monotonic()
        if self._news:
            await self._tell()  # these messages come again from the committed offsets, to whom it may concern
            return False
        records = by_place(messages)
        if records:
            found = {TP(*place): batch for place, batch in records.items()}
            await self._hand_over(Poll(found, self.suspend_flow, self._done.update))
        return bool(records)

    async def _begin_anew(self) -> None:
        """Join with another client: one that has lost its only broker's handle meanwhile asks nobody ever again."""
        log.warning("not back in the group after %g s; joining it with another client", REJOIN_S)
        old, self._lost_s = self._client, time.monotonic()
        await self.on_start()
        await self.subscribe(self._reads)
        threading.Thread(target=old.close, daemon=True).start()  # which may never return

    @property
    def _generation(self) -> int:
        return self.app.consumer_generation_id

    def _on_assign(self, client: Any, places: Places) -> None:
        if client is not self._client:
            return  # one that we have left behind
        self._lost_s = None
        client.assign(places)  # each begins at its committed offset
        client.pause(places)  # until Faust's recovery is over
        self._news.append(("assigned", _tps(places)))

    def _on_revoke(self, client: Any, places: Places) -> None:
        """Commit what is done before the partitions go: nothing is in hand during a fetch."""
        if client is not self._client:
            return
        try:
            if offsets := [_place(tp, self._done.pop(tp)) for tp in _tps(places) if tp in self._done]:
                client.commit(offsets=offsets, asynchronous=False)
        except kafka.KafkaException as error:
            log.warning("not committed, so these come again: %s", error.args[0].str())
        self._news.append(("revoked", _tps(places)))

    def _on_lost(self, client: Any, places: Places) -> None:
        if client is not self._client:
            return
        log.warning("the group gave %d partitions away without asking: this worker was silent too long", len(places))
        self._lost_s = time.monotonic()
        for tp in _tps(places):
            self._done.pop(tp, None)
        self._news.append(("revoked", _tps(places)))

    def _on_commit(self, error: kafka.KafkaError | None, places: Places) -> None:
        for place in places:
            if error is not None or place.error is not None:
                log.warning("offset of %s[%d] not committed: %s", place.topic, place.partition, error or place.error)
                self._committed_offset.pop(TP(place.topic, place.partition), None)  # to be committed again

    async def _tell(self) -> None:
        """Tell Faust of revoked and assigned partitions, in the order in which the group decided."""
        while self._news:
            what, tps = self._news.pop(0)
            if what == "revoked":
                self.app.on_rebalance_start()
                await self.on_partitions_revoked(tps)
                self._assigned = self._assigned - tps  # a new set: Faust walks through the old one, with pauses
            else:
                if not self.app.rebalancing:
                    self.app.on_rebalance_start()
                self._assigned = tps
                self.stop_flow()  # until Faust's recovery resumes it
                self.app.consumer_generation_id += 1
                await self.on_partitions_assigned(tps, self._generation)

    async def perform_seek(self) -> None:
        """Faust's recovery is over: let the partitions begin, at the committed offsets where librdkafka has them."""
        gc.unfreeze()
        gc.collect()
        gc.freeze()  # the collector need not walk what stays
        gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
        self._client.resume([_place(tp) for tp in self._assigned])

    async def _hand_over(self, poll: Poll) -> None:
        tp, records = next(poll.items())
        self._in_hand = poll
        await self.callback(self._as_message(poll, tp, records[-1]))
        await poll.returned.wait()
        self._in_hand = None
        if poll.finished:
            self.polls += 1
        elif self.flow_active and not self.app.should_stop:
            raise PollDropped(
                f"the agent dropped a poll of {len(poll)} records from {tp.topic}[{tp.partition}]; "
                "nothing of it is acknowledged, it comes again after a restart"
            )

    def _as_message(self, poll: Poll, tp: TP, last: Any) -> ConsumerMessage:
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000.0,
            0,
            [],
            None,
            poll,  # type: ignore[arg-type]  # Faust hands on what its Schema makes of it
            None,
            0,
            0,
            tp,
            generation_id=self._generation,
        )

    def ack(self, message: Any) -> bool:
        """Faust gives an event back: done if its poll is, dropped otherwise."""
        message.value.returned.set()
        message.acked = True
        self._unacked_messages.discard(message)  # what else Faust notes down of single messages only grows here
        notify(self._waiting_for_ack)
        return True

    async def on_task_error(self, exc: BaseException) -> None:
        """An agent raised: Faust would commit and start it anew, here the fetch loop ends the process instead."""
        if self._in_hand is not None:
            self._in_hand.returned.set()

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (tp for tp in list(self._done) if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        return self._done.get(tp)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        places = [_place(tp, offset) for tp, offset in offsets.items()]
        if not self.app.should_stop:
            self._client.commit(offsets=places, asynchronous=True)  # _on_commit hears how it went
            return True
        try:
            commit = asyncio.to_thread(self._client.commit, offsets=places, asynchronous=False)
            await asyncio.wait_for(commit, STOP_S)
        except (kafka.KafkaException, TimeoutError) as error:
            log.warning("what was done last is not committed, so it comes again: %s", error)
            return False
        return True

    async def on_stop(self) -> None:
        """Commit, then leave the group so that its others need not wait for the session's end."""
        await super().on_stop()
        self._done.clear()  # committed, or to come again
        await self._give_back()
        try:
            await asyncio.wait_for(asyncio.to_thread(self._client.close), STOP_S)
        except TimeoutError:
            log.warning("the group was not left in order: the broker does not answer")

    async def _give_back(self) -> None:
        """Hear of the last revocation before the close, which can hang if it has to tell of it (librdkafka #4884)."""
        self._client.unsubscribe()  # local, and so is the revocation: no broker is needed
        end = time.monotonic() + STOP_S
        while self._client.assignment() and time.monotonic() < end:
            self._client.poll(SLICE_S)  # what it brings comes again to whom it may concern
            await asyncio.sleep(0)

    def assignment(self) -> set[TP]:
        """The partitions that this worker owns."""
        return self._assigned

    def highwater(self, tp: TP) -> int:
        """The offset behind the last record of a partition, as of the last fetch; -1001 where it is not known."""
        _, end = self._client.get_watermark_offsets(_place(tp), cached=True)
        return int(end)

    @property
    def joined(self) -> bool:
        """Whether the group has given this worker its partitions, be they none."""
        return self._generation > 0

    @property
    def flowing(self) -> bool:
        """Whether recovery is over and records come."""
        return self.joined and self.flow_active and not self.app.rebalancing

    @property
    def in_hand(self) -> int:
        """Records of the poll in hand."""
        poll = self._in_hand
        return 0 if poll is None else len(poll)

    def lag(self) -> dict[str, int]:
        """Records between what is done and the partition's end as of the last fetch, by topic[partition]."""
        done = self._done.copy()
        return {f"{tp.topic}[{tp.partition}]": max(0, self.highwater(tp) - done[tp]) for tp in sorted(done)}

    async def end_of(self, topic: str, partition: int) -> int:
        """The offset behind the last record of any partition, asked from the broker."""
        _, end = await bounds(self._client, topic, partition)
        return end

    def answers(self, limit_s: float) -> bool:
        """Whether the broker answers; raises KafkaException where it does not."""
        return not self._reads or bool(self._client.list_topics(self._reads[0], timeout=limit_s).brokers)


def _tps(places: Places) -> set[TP]:
    return {TP(place.topic, place.partition) for place in places}


def _place(tp: TP, offset: int = kafka.OFFSET_INVALID) -> kafka.TopicPartition:
    return kafka.TopicPartition(tp.topic, tp.partition, offset)
