"""A producer that is given nothing to send."""

import asyncio
import logging
import socket
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import Producer as ConfluentProducer

from streams.kafka.producer import Producer


class Idle(Producer):
    """One that is given nothing to send, until its client has logged something."""

    app: Any = SimpleNamespace(consumer=SimpleNamespace(topics=[]))
    transport: Any = SimpleNamespace(options={})

    def __init__(self, said: logging.Logger, has_said: Callable[[], bool]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            address = f"127.0.0.1:{nobody.getsockname()[1]}"
        self.client = ConfluentProducer({"bootstrap.servers": address, "logger": said})
        self.waits, self.has_said = 0, has_said

    @property
    def should_stop(self) -> bool:
        return self.has_said() or self.waits == 3000

    async def sleep(self, *_: object) -> None:
        self.waits += 1
        await asyncio.sleep(0.01)


async def test_what_the_client_of_an_idle_producer_logs_comes_at_once(caplog: pytest.LogCaptureFixture) -> None:
    def has_said() -> bool:
        return any("Connection refused" in record.getMessage() for record in caplog.records)

    watching: Any = Producer._watch_broker
    await watching(Idle(logging.getLogger("of an idle producer"), has_said))
    assert has_said()
