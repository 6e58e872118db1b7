"""Hearing from Faust when partitions are assigned and revoked."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any  # Faust hands its signals' handlers anything

from streams.kafka.rights import once_allowed

if TYPE_CHECKING:  # what is no agent reads records too, without Faust, whose import takes 0.3 s
    from faust.types import TP

    from streams.kafka.app import BatchApp

Handler = Callable[[set["TP"]], Awaitable[None]]


def on_assigned(app: "BatchApp", handler: Handler) -> None:
    """Call the handler with all partitions that this worker owns after a rebalance, before their records come.

    It is called again where a right is missing to what it reads, until that is given.
    """

    async def assigned(*_: Any, **__: Any) -> None:
        await once_allowed(app.transport.waits, lambda: handler(set(app.consumer.assignment())))

    app.on_rebalance_complete.connect(assigned, weak=False)


def on_revoked(app: "BatchApp", handler: Handler) -> None:
    """Call the handler with the partitions that go to other workers; no poll of them is in flight."""

    async def revoked(*sent: Any, **__: Any) -> None:
        _, partitions = sent
        await handler(partitions)

    app.on_partitions_revoked.connect(revoked, weak=False)
