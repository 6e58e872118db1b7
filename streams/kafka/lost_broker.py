"""Clients that have lost their broker, found and replaced.

librdkafka drops each broker that a Metadata answer does not list. A client that such an answer leaves without any asks
nobody ever again (librdkafka #5301), while a fresh client is answered at once.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from schemas.settings.model import Settings
from streams.kafka.client import METADATA_TIMEOUT_S
from streams.kafka.outage import BrokerOutage
from streams.kafka.security import librdkafka_options

log = logging.getLogger("freshet.kafka")

PROBE_INTERVAL_S = 5.0
PROBE_TIMEOUT_S = 3.0
IMPATIENT = {"socket.connection.setup.timeout.ms": 1000}  # instead of 30,000; it takes no less
QUICK_S = 0.5  # of the first question to a client: whoever else uses it waits as long, for it takes one call at a time
RECHECK_S = 1.0  # until a suspicion is looked at again
SUSPICIONS = 2  # in a row, before a client counts as lost: one that is just connecting again is given the time
CLOSE_DELAY_S = METADATA_TIMEOUT_S + 1.0  # the longest question that another thread may still be asking


class Client(Protocol):
    """What a Kafka client of any kind is asked."""

    def list_topics(self, topic: str, timeout: float) -> Any: ...  # ClusterMetadata, which is not typed


def is_answered(client: Client, topic: str, limit_s: float = PROBE_TIMEOUT_S) -> bool:
    """Whether a broker answers this very client, and names a broker."""
    try:
        return bool(client.list_topics(topic, limit_s).brokers)
    except (KafkaException, RuntimeError):  # the latter: it has been closed
        return False


class BrokerWatch:
    """Whether one client has lost its broker: again and again it is not answered, although a fresh client is.

    options  of librdkafka, for the fresh client
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self._suspicions = 0
        self.answered = True  # the client, when it was asked last

    @property
    def interval_s(self) -> float:
        """When to ask again."""
        return RECHECK_S if self._suspicions else PROBE_INTERVAL_S

    async def is_lost(self, client: Client, topic: str, asking: asyncio.Lock) -> bool:
        """Ask once more; while the client is asked, `asking` is held, so that nobody closes it."""
        await self._ask(client, topic, asking, QUICK_S)
        suspicious = not self.answered and await asyncio.to_thread(is_fresh_client_answered, self._options, topic)
        if suspicious:
            await self._ask(client, topic, asking, PROBE_TIMEOUT_S)
            suspicious = not self.answered
        self._suspicions = self._suspicions + 1 if suspicious else 0
        return self._suspicions >= SUSPICIONS

    async def _ask(self, client: Client, topic: str, asking: asyncio.Lock, limit_s: float) -> None:
        async with asking:
            self.answered = await asyncio.to_thread(is_answered, client, topic, limit_s)

    def hear(self) -> None:
        """A broker has answered the client: it need not be asked."""
        self.answered, self._suspicions = True, 0

    def start_again(self) -> None:
        """The client was replaced."""
        self._suspicions = 0


def fresh_client(options: Mapping[str, Any]) -> AdminClient:
    """A client for one question, which logs nothing: that the broker is away is logged by others."""
    quiet = {**options, "log_level": 0, "error_cb": _ignore}
    return AdminClient(quiet)


def is_fresh_client_answered(options: Mapping[str, Any], topic: str) -> bool:
    """Whether a broker answers one of two clients that are made for this question.

    Where several brokers have one name, and one of them is silent, a client may wait for that one all the time. The
    second client gives it up in time for another address; to a broker that is far away it may never be connected.
    """

    def ask(more: Mapping[str, Any]) -> bool:
        try:
            client = fresh_client({**options, **more})
        except KafkaException:  # a certificate is being replaced, say
            return False
        return is_answered(client, topic)

    with ThreadPoolExecutor(2) as both:
        return any(both.map(ask, ({}, IMPATIENT)))


def say_outages_once(settings: Settings, topic: str) -> None:
    """From now on this process writes one line when the broker goes and one when it is back.

    topic  one that there is
    """
    options = librdkafka_options(settings)
    BrokerOutage(lambda: is_fresh_client_answered(options, topic)).install()


def _ignore(_: object) -> None: ...


class Closable(Protocol):
    """A client that can be closed."""

    def close(self) -> object: ...


def close_later(client: Closable) -> None:
    """Close a client that was replaced, in a thread of its own, for that may never come to an end.

    It is not closed at once: whoever asks it something in another thread would be left with freed memory.
    """

    def close() -> None:
        time.sleep(CLOSE_DELAY_S)
        client.close()

    threading.Thread(target=close, name="closing", daemon=True).start()
