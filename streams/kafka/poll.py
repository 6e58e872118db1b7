"""What an agent receives: one Faust event is one poll of Kafka, all that one fetch brought (consumer.py)."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any

from faust.serializers.schemas import Schema
from faust.types import TP, AppT, ConsumerMessage, Message

from streams.kafka.records import Record
from streams.kafka.unreadable import UnreadableBatch


class PollDropped(RuntimeError):
    """An agent gave a poll back without calling `done()`: it raised, or it forgot to."""


class Poll:
    """What one fetch brought, by partition; the agent handles all of it and then calls `done()`."""

    def __init__(
        self,
        records: Mapping[TP, Sequence[Record]],
        stopped: asyncio.Event,
        finish: Callable[[dict[TP, int]], object],
        unreadable: Sequence[UnreadableBatch] = (),
    ) -> None:
        self._records = records
        self.unreadable = unreadable  # batches behind these records, or without any, that were passed over
        self._stopped = stopped  # set when the worker ends
        self._finish = finish  # takes per partition the offset after the last record
        self.finished = False
        self.returned = asyncio.Event()  # done, or dropped by Faust or the agent

    def items(self) -> Iterator[tuple[TP, Sequence[Record]]]:
        """Each partition with its records in offset order; partitions in the order of their names."""
        return iter(sorted(self._records.items()))

    @property
    def topics(self) -> set[str]:
        """The topics that its records come from."""
        return {tp.topic for tp in self._records}

    def batches(self, size: int) -> Iterator[Sequence[Record]]:
        """All records, partition after partition, in batches."""
        records = [record for _, batch in self.items() for record in batch]
        return (records[start : start + size] for start in range(0, len(records), size))

    def __len__(self) -> int:
        return sum(map(len, self._records.values()))

    def next_offsets(self) -> dict[TP, int]:
        """By partition the offset after all that this poll brought or passed over."""
        found = {tp: records[-1].offset + 1 for tp, records in self._records.items()}
        for one in self.unreadable:
            tp = TP(one.topic, one.partition)
            found[tp] = max(found.get(tp, 0), one.last + 1)
        return found

    def as_message(self, generation: int) -> ConsumerMessage:
        """The event that Faust hands to the agent: the last record of the first partition stands for all."""
        tp, offset = min(self.next_offsets().items())
        value: Any = self  # Faust hands on what its Schema makes of it
        at_s = time.time()  # of the fetch: records have theirs
        return ConsumerMessage(*tp, offset - 1, at_s, 0, [], None, value, None, 0, 0, tp, generation_id=generation)

    def done(self, offsets: dict[TP, int] | None = None) -> None:
        """The broker has confirmed all that this poll caused: its offsets may be committed, or those that are given."""
        self.commit(self.next_offsets() if offsets is None else offsets)
        self.finished = True
        self.returned.set()

    def commit(self, offsets: dict[TP, int]) -> None:
        """Let these offsets be committed, also after the poll: between two others, and of owned partitions alone."""
        self._finish(offsets)

    async def unless_stopped(self, awaited: Coroutine[object, None, object]) -> bool:
        """Wait for something that may take for ever; False when the worker has to give up this poll meanwhile."""
        tasks = [asyncio.ensure_future(awaited), asyncio.ensure_future(self._stopped.wait())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        is_over = tasks[0].done()
        for task in tasks:
            task.cancel()
        if is_over:
            await tasks[0]  # what it raised
        return is_over


class Raw(Schema[Any, Any]):
    """Hands keys and polls on as they are: the agents decode them. Faust lets a schema return Any, so it does here."""

    def loads_key(self, app: AppT, message: Message, **_: Any) -> Any:
        """Key as it is."""
        return message.key

    def loads_value(self, app: AppT, message: Message, **_: Any) -> Any:
        """Value as it is: a Poll."""
        return message.value
