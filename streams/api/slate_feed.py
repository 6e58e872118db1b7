"""The newest slates as the topic brings them: into the store, and to whoever waits for one."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from streams.api.slate_store import SlateRecord, SlateStore, slates_in
from streams.kafka.records import Record
from streams.kafka.topic_watch import TopicIdentity

Observer = Callable[[Sequence[SlateRecord]], None]


class Waiters:
    """Requests that wait for a person's next slate; `changed` may be called by any thread."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._loop = asyncio.get_running_loop()

    def __len__(self) -> int:
        return sum(map(len, list(self._waiting.values())))

    @contextmanager
    def listen(self, user_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the person's slate is another one; to be entered before the slate is read."""
        event = asyncio.Event()
        self._waiting.setdefault(user_id, set()).add(event)
        try:
            yield event
        finally:
            self._waiting[user_id].discard(event)
            if not self._waiting[user_id]:
                del self._waiting[user_id]

    def changed(self, user_ids: Iterable[str]) -> None:
        """Wake whoever waits for one of these people; called once the store has their slates."""
        awaited = [user_id for user_id in user_ids if user_id in self._waiting]
        if awaited and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake, awaited)

    def _wake(self, user_ids: Iterable[str]) -> None:
        for user_id in user_ids:
            for event in self._waiting.get(user_id, ()):
                event.set()


class SlateFeed:
    """What the follower of recommendations.v1 hands records to.

    observers  are called with the slates after the store has them, by the follower's thread
    """

    def __init__(self, store: SlateStore, waiters: Waiters) -> None:
        self._store, self._waiters = store, waiters
        self.observers: list[Observer] = []

    def begin(self, topic: TopicIdentity, ends: Mapping[int, int]) -> Mapping[int, int]:
        """Where each partition is read on."""
        return self._store.begin(topic, ends)

    def apply(self, partition: int, records: Sequence[Record], position: int) -> None:
        """Store slates, then tell whoever waits for them."""
        slates = slates_in(records)
        self._waiters.changed(self._store.apply(partition, slates, position))
        for observe in self.observers:
            observe(slates)
