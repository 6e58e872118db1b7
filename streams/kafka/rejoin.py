"""Joining the group with another client: the group is silent, the client lost its broker, a topic was made again."""

import asyncio
import logging
import time
from abc import abstractmethod
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from faust.types import TP
from mode import Service

from streams.kafka.lost_broker import PROBE_TIMEOUT_S, BrokerWatch, close_later
from streams.kafka.outage import OF_OUTAGE
from streams.kafka.repositioning import RepositioningConsumer
from streams.kafka.rights import LOOK_INTERVAL_S, Rights

log = logging.getLogger("freshet.consumer")

HEARD_S = 4.0  # of heartbeats every two seconds; the client says each second what it has heard
REJOIN_S = 15.0  # after a silence the group is joined with another client; a rejoin takes 4 s


class RejoiningConsumer(RepositioningConsumer):
    """A consumer whose client is replaced where it would never come back by itself."""

    _is_broker_lost = False
    _is_assignment_known = False  # whether the group has said what is assigned here, be it nothing
    _waiting_s = 0.0  # since when it has not

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # whatever Faust hands its consumers
        super().__init__(*args, **kwargs)
        self._client: Any = None  # confluent_kafka.Consumer, whose types allow None for every field
        self._topics: list[str] = []
        self._assigned: set[TP] = set()
        self._rebalances: list[tuple[str, set[TP]]] = []  # what the group decided during the last fetch
        self._lost_s: float | None = None  # since when the group has to assign partitions again
        self._waiting_s = time.monotonic()
        self._asking = asyncio.Lock()
        self._broker_watch = BrokerWatch(self.transport.options)  # type: ignore[attr-defined]
        self._rights = Rights(self.transport.options, self.transport.waits)  # type: ignore[attr-defined]

    @abstractmethod
    async def subscribe(self, topics: Iterable[str]) -> None:
        """Join the group for these topics."""

    @property
    def topics(self) -> list[str]:
        """The topics that the group reads."""
        return self._topics

    @property
    def unassigned_s(self) -> float:
        """For how long the group has not said which partitions are assigned here; 0 where it has, be it none."""
        return 0.0 if self._is_assignment_known else time.monotonic() - self._waiting_s

    @property
    def is_broker_answering(self) -> bool:
        """Whether the broker answered this very client when it was asked last."""
        return self._broker_watch.answered

    def _await_assignment(self) -> None:
        if self._is_assignment_known:
            self._waiting_s = time.monotonic()
        self._is_assignment_known = False

    @Service.task
    async def _watch_rights(self) -> None:
        while not self.should_stop:
            await self.sleep(LOOK_INTERVAL_S)
            await self._rights.look()

    @Service.task
    async def _watch_broker(self) -> None:
        """Find out whether the client has lost its broker, for as long as the worker runs."""
        watch, watched = self._broker_watch, self._client
        while not self.should_stop:
            await self.sleep(watch.interval_s)
            if watched is not self._client:
                watch.start_again()
            watched = self._client
            if time.monotonic() - self.positions.answered_s < HEARD_S:
                watch.hear()
                self._is_broker_lost = False
            elif self._topics and not self.should_stop:
                is_lost = await watch.is_lost(watched, self._topics[0], self._asking)
                self._is_broker_lost = is_lost and watched is self._client
            if not watch.answered and self._lost_s is not None:
                self._lost_s = time.monotonic()  # no other client would do better, and each costs threads and memory

    async def _end_questions(self) -> None:
        """Before the client is closed: nobody may ask it anything then."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._asking.acquire(), PROBE_TIMEOUT_S + 1.0)

    async def _rejoin_where_needed(self) -> None:
        """Called between two polls, when no poll is in flight."""
        if self._assigned and not self.flow_active:
            return  # a recovery comes to its end first; its own clients are replaced by the reader
        if self._is_broker_lost:
            await self._rejoin("the client has lost its broker")
        elif self._lost_s is not None and time.monotonic() - self._lost_s > REJOIN_S:
            await self._rejoin(f"not back in the group after {REJOIN_S:g} s")

    async def _join_again(self) -> None:
        """Give the partitions back and join with another client: one that knew the former topics may stand still."""
        await self._give_back()
        await self._replace_client()

    async def _rejoin(self, why: str) -> None:
        """Join with another client; what is assigned to the old one is redelivered, for its offsets go with it."""
        log.warning("%s; joining the group with another client", why, extra=OF_OUTAGE)
        if self._assigned:
            self._rebalances.append(("revoked", set(self._assigned)))
            self.positions.drop(self._assigned)
        old = await self._replace_client()
        old.unsubscribe()  # so that the group does not wait for it

    async def _replace_client(self) -> Any:
        """Join the group with a new client; returns the old one, which is closed once nobody can be asking it."""
        old, self._is_broker_lost, self._lost_s = self._client, False, time.monotonic()
        self._await_assignment()
        await self.on_start()
        await self.subscribe(self._topics)
        close_later(old)
        return old
