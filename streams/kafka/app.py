"""What this folder asks of a Faust app on its own transport; Faust's types know nothing of what transport.py adds."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from streams.kafka.consumer import Consumer
    from streams.kafka.producer import Producer
    from streams.kafka.transport import Transport


class Signal(Protocol):
    """One of Faust's signals; what it hands its handlers depends on the signal."""

    def connect(self, handler: Callable[..., Awaitable[None]], *, weak: bool) -> object: ...


class BatchApp(Protocol):
    """A Faust app whose events are polls (poll.py)."""

    on_partitions_revoked: Signal
    on_rebalance_complete: Signal
    should_stop: bool

    @property
    def transport(self) -> "Transport": ...
    @property
    def consumer(self) -> "Consumer": ...
    @property
    def producer(self) -> "Producer": ...
