"""Faust, batch-wise: one event is one poll of Kafka, and nothing is acknowledged before the agent says done.

Faust hands an agent one record at a time and acknowledges what an agent dropped by an exception. Here its aiokafka
driver is extended at the places that Faust has for it (Transport, Consumer, Producer, Schema): each event's value is a
`Poll`, the next fetch waits until the poll in hand is done, and only done polls move the committed offset.
"""

import asyncio
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from typing import Any

from faust.serializers.schemas import Schema
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from faust.types.transports import ConsumerT, ProducerT, TransportT
from mode.utils.futures import notify

Record = Any  # aiokafka.ConsumerRecord: topic, partition, offset, timestamp, key, value, headers

FETCH_SECONDS = 1.0  # how long a fetch waits for a first record; stopping waits for it too
GATHER_SECONDS = 0.005  # least time between two fetches: a poll costs 1 to 2 ms of CPU, however little it brings


class PollDropped(RuntimeError):
    """An agent gave a poll back without saying done: it raised, or it forgot to."""


class Poll:
    """What one fetch brought, by partition; the agent handles all of it and then says `done()`."""

    def __init__(self, records: Mapping[TP, Sequence[Record]], generation: int, stopped: asyncio.Event) -> None:
        self._records = records
        self._stopped = stopped  # set when the partitions are taken away or the worker ends
        self.generation = generation
        self.finished = False
        self.returned = asyncio.Event()  # done, or dropped by Faust or the agent

    def items(self) -> Iterator[tuple[TP, Sequence[Record]]]:
        """Each partition with its records in offset order; partitions in the order of their names."""
        return iter(sorted(self._records.items()))

    def __len__(self) -> int:
        return sum(map(len, self._records.values()))

    def done(self) -> None:
        """All that this poll causes is confirmed by the broker: its offsets may be committed."""
        self.finished = True
        self.returned.set()

    async def unless_stopped(self, awaited: Coroutine[Any, Any, Any]) -> bool:
        """Wait for something that may take for ever; False when the worker has to let go of this poll meanwhile."""
        tasks = [asyncio.ensure_future(awaited), asyncio.ensure_future(self._stopped.wait())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        return tasks[0].done() and not tasks[0].cancelled()

    def next_offsets(self) -> dict[TP, int]:
        """Per partition the offset behind the last record."""
        return {tp: records[-1].offset + 1 for tp, records in self._records.items()}


class Raw(Schema[Any, Any]):
    """Hands keys and polls on as they are: decoding belongs to `streams/guard.py`."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:
        """Key as it is."""
        return message.key

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:
        """Value as it is: a Poll."""
        return message.value


class Consumer(driver.Consumer):
    """Faust's consumer, but with exactly one poll in hand."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._done: dict[TP, int] = {}  # next offset to read behind everything that is done
        self._in_hand: Poll | None = None

    async def _drain_messages(self, fetcher: Any) -> None:
        """Fetch, hand over, wait; for as long as the fetcher runs (Faust's extension point for a fetch loop)."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                poll = await self._next_poll()
                if poll is not None:
                    fetched = time.monotonic()
                    await self._hand_over(poll)
                    await asyncio.sleep(max(0.0, fetched + GATHER_SECONDS - time.monotonic()))  # idle: nothing to wait
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise

    async def _next_poll(self) -> Poll | None:
        records, _ = await self._wait_next_records(FETCH_SECONDS)
        fresh = {TP(tp.topic, tp.partition): batch for tp, batch in (records or {}).items() if batch}
        if not fresh:
            return None
        if not self.flow_active:
            await self._put_back(fresh)
            return None
        return Poll(fresh, self.app.consumer_generation_id, self.suspend_flow)

    async def _put_back(self, records: Mapping[TP, Sequence[Record]]) -> None:
        """Read these once more, later: the flow was stopped while they were on their way."""
        for tp in records.keys() & self.assignment():
            await self._seek(tp, records[tp][0].offset)

    async def _hand_over(self, poll: Poll) -> None:
        tp, records = next(poll.items())
        self._in_hand = poll
        await self.callback(self._as_message(poll, tp, records[-1]))
        await self.wait_first(poll.returned.wait(), self.suspend_flow.wait())
        if poll.finished:
            if poll.generation == self.app.consumer_generation_id:
                self._done.update(poll.next_offsets())
        elif poll.returned.is_set() and self._still_mine(poll):
            raise PollDropped(
                f"the agent dropped a poll of {len(poll)} records from {tp.topic}[{tp.partition}]; "
                "nothing of it is acknowledged, it comes again after a restart"
            )

    def _still_mine(self, poll: Poll) -> bool:
        return self.flow_active and poll.generation == self.app.consumer_generation_id and not self.app.should_stop

    def _as_message(self, poll: Poll, tp: TP, last: Record) -> ConsumerMessage:
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000.0,
            last.timestamp_type,
            [],
            None,
            poll,  # type: ignore[arg-type]  # Faust hands on what its Schema makes of it
            last.checksum,
            0,
            0,
            tp,
            generation_id=poll.generation,
        )

    def ack(self, message: Any) -> bool:
        """Faust gives an event back: done if its poll is, dropped otherwise."""
        poll = message.value
        if poll.finished and poll.generation == self.app.consumer_generation_id:
            self._done.update(poll.next_offsets())
        poll.returned.set()
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

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Wait for the poll in hand, commit it (both Faust's doing), then forget these partitions."""
        await super().on_partitions_revoked(revoked)
        for tp in revoked:
            self._done.pop(tp, None)


class Producer(driver.Producer):
    """Faust's producer, idempotent."""

    def _settings_extra(self) -> dict[str, Any]:
        return {"acks": "all", "enable_idempotence": True}


class Transport(driver.Transport):
    """The pair above as a Faust transport; `app.transport = Transport(app.conf.broker, app)`."""

    Consumer: type[ConsumerT] = Consumer  # type: ignore[misc]
    Producer: type[ProducerT] = Producer  # type: ignore[misc]


def install(app: Any) -> None:
    """Make a Faust app batch-wise; to be called before its first agent is declared."""
    transport: TransportT = Transport(app.conf.broker_consumer, app)
    app.transport = transport
    app.producer_transport = transport
