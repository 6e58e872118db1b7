"""A peer: Quix Streams with State, which is RocksDB with a changelog topic; run by its own environment.

Its options are its own: at least once, a checkpoint (newest states to the changelog, flush, commit) every 5 s. One
may ask for shorter checkpoints, as nothing reaches the changelog in between. States are kept as packed bytes, so
that Quix Streams need not encode them once more.
"""

import sys
from pathlib import Path
from typing import Any

from tests.bench.work import STATE_KEY, WORKS, Work

AS_SHIPPED_S = 5.0  # between checkpoints


def group_of(source: str) -> str:
    """The consumer group."""
    return f"quix-{source}"


def changelog_of(source: str) -> str:
    """The topic that Quix Streams keeps the state in."""
    return f"changelog__{group_of(source)}--{source}--default"


def run(bootstrap: str, source: str, folder: Path, work: Work, checkpoint_s: float) -> None:
    """Fold every event into its person's state, until a signal ends it."""
    from quixstreams import Application, message_context  # in the peers' environment alone

    app = Application(
        bootstrap,
        consumer_group=group_of(source),
        auto_offset_reset="earliest",
        state_dir=folder / f"quix-{source}",
        commit_interval=checkpoint_s,
        loglevel="WARNING",
    )
    events = app.dataframe(app.topic(source, key_deserializer="bytes", value_deserializer="bytes"))
    apply, pack, unpack = work.apply, work.pack, work.unpack

    def remember(value: bytes, state: Any) -> None:
        at = message_context()
        packed = state.get_bytes(STATE_KEY)
        after = apply(unpack(packed) if packed else None, value, at.topic, at.partition, at.offset)
        if after is not None:
            state.set_bytes(STATE_KEY, pack(after))

    events.update(remember, stateful=True)
    app.run()


if __name__ == "__main__":
    _, address, topic, place, name, seconds = sys.argv
    run(address, topic, Path(place), WORKS[name], float(seconds))
