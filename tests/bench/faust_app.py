"""A peer: Faust as shipped, with a table in memory and its changelog topic; one event at a time.

Its options are Faust's own. The table holds packed states, as raw bytes are what a Faust table takes without a
serializer of its own; unpacking one costs about 1 µs of the few hundred that an event costs here.
"""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import faust

from tests.bench.work import WORKS, Work

TABLE = "states"


def app_id(source: str) -> str:
    """Faust's name for the app, and its consumer group."""
    return f"faust-{source}"


def changelog_of(source: str) -> str:
    """The topic that Faust keeps the table in."""
    return f"{app_id(source)}-{TABLE}-changelog"


def build(
    bootstrap: str, source: str, folder: Path, partitions: int, work: Work, recovered: Callable[[], Awaitable[None]]
) -> Any:
    """The app; `recovered` is called whenever the table has been read back."""
    app = faust.App(
        app_id(source),
        broker=f"kafka://{bootstrap}",
        store="memory://",
        datadir=folder / "faust-as-shipped",
        topic_partitions=partitions,
        web_enabled=False,
    )
    states = app.Table(
        TABLE, key_type=bytes, value_type=bytes, partitions=partitions, on_recover=recovered, default=None
    )

    @app.agent(app.topic(source, key_serializer="raw", value_serializer="raw"), name="remember")
    async def remember(stream: Any) -> None:
        """Fold every event into its person's state."""
        apply, pack, unpack = work.apply, work.pack, work.unpack
        async for event in stream.events():
            at, key = event.message, event.key
            packed = states.get(key)
            after = apply(unpack(packed) if packed else None, event.value, at.topic, at.partition, at.offset)
            if after is not None:
                states[key] = pack(after)

    return app


async def _nothing() -> None:
    """Nothing is to be done after a recovery."""


def run(app: Any) -> None:
    """Run the worker until a signal ends it."""
    app.Worker(loglevel="WARN", logfile=None, redirect_stdouts=False, quiet=True).execute_from_commandline()


if __name__ == "__main__":
    _, address, topic, place, count, name = sys.argv
    run(build(address, topic, Path(place), int(count), WORKS[name], _nothing))
