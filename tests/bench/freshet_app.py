"""The reference fold as a Freshet agent: a Faust app on the batch-wise runtime, with owned state.

`faust -A tests.bench.freshet_app:app worker` starts it; the settings come from the environment.
"""

import os
from typing import Any

import msgspec

from schemas.settings.load import load
from schemas.settings.model import Settings
from schemas.topics import FEEDBACK, PROFILES
from streams.app import new_app
from streams.kafka.confirmed_producer import ConfirmedProducer, Outgoing
from streams.kafka.owned_state import OwnedState, text_of
from streams.kafka.poll import Poll, Raw
from streams.kafka.rebalance import on_assigned
from tests.bench.work import REFERENCE, State


def owned(app: Any, settings: Settings, out: ConfirmedProducer) -> OwnedState[bytes | State]:
    """States of the partitions that this worker owns: packed as they are stored, opened as they are touched."""
    source, changelog = FEEDBACK.full(settings.prefix), PROFILES.full(settings.prefix)
    states = OwnedState(app, settings, source, changelog, bytes, _version, out)
    on_assigned(app, states.recover_assigned)
    return states


class _Counted(msgspec.Struct, gc=False):
    """What of a packed state says which of two is newer."""

    count: int


_counted = msgspec.json.Decoder(_Counted).decode


def _version(state: bytes | State) -> int:
    return _counted(state).count if isinstance(state, bytes) else state.count


def declare(app: Any, settings: Settings, states: OwnedState[bytes | State], out: ConfirmedProducer) -> Any:
    """Declare the agent on a batch-wise Faust app."""

    @app.agent(app.topic(FEEDBACK.full(settings.prefix), schema=Raw()), name="reference")
    async def remember(polls: Any) -> None:
        """Fold every event into its person's state."""
        poll: Poll
        async for poll in polls:
            for tp, records in poll.items():
                changed = _changed(states[tp.partition], records)
                packed = [Outgoing(user.encode(), REFERENCE.pack(state)) for user, state in changed.items()]
                out.put(states.changelog, tp.partition, packed)
            await out.confirmed()
            poll.done()

    return remember


def _changed(states: dict[str, bytes | State], records: Any) -> dict[str, State]:
    changed: dict[str, State] = {}
    for topic, partition, offset, _, key, value, _ in records:
        user = text_of(key)
        before = states.get(user)
        if isinstance(before, bytes):
            before = REFERENCE.unpack(before)
        after = REFERENCE.apply(before, value, topic, partition, offset)
        if after is not None:
            states[user] = changed[user] = after
    return changed


def build(settings: Settings) -> Any:
    """The app, ready to be started."""
    app = new_app("reference", settings)
    out = ConfirmedProducer(app)
    declare(app, settings, owned(app, settings, out), out)
    return app


def __getattr__(name: str) -> Any:
    """The app, built when Faust's command line asks for it."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; ask for app")
    app = globals()[name] = build(load({}, os.environ, None).settings)
    return app
