"""What the consumer relies on inside Faust: when a new Faust changes one of these, read it before trusting it."""

import inspect
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from faust.agents.agent import Agent
from faust.app.base import App
from faust.tables.recovery import Recovery
from faust.transport.conductor import ConductorCompiler
from faust.transport.consumer import Consumer
from faust.transport.producer import Producer
from mode.worker import Worker

PINNED: dict[Callable[..., Any], str] = {
    # the driver's loop hands a poll to what these make, and waits until Faust gives it back
    ConductorCompiler.build: "837cf521368c",
    Agent._execute_actor: "c750b828d2bd",  # of an agent that raised: Consumer.on_task_error is called
    # which offsets are committed, _filter_tps_with_pending_acks and _new_offset say, and both are ours
    Consumer.commit: "a354437baaa0",
    Consumer.force_commit: "cc094614d22c",
    Consumer._filter_committable_offsets: "dc5e9baf5d99",
    Consumer._should_commit: "5ce941793947",
    Consumer._commit_offsets: "1a6979904118",
    Consumer.wait_empty: "e4662fe24f09",
    Consumer.on_stop: "45b1d2210ce2",
    # a rebalance: ours tells Faust, whose recovery sends on_rebalance_complete before it resumes the flow
    Consumer.on_partitions_revoked: "d04b7ae72c6f",
    Consumer.on_partitions_assigned: "29ce96596f05",
    App._on_partitions_revoked: "d5c895bbe57d",
    App._on_partitions_assigned: "de932b7927db",
    Recovery.on_rebalance: "aa4d997a1795",
    Recovery._resume_streams: "d986a6710c1a",
    # an orderly end: the flow stops, the poll in hand ends, the offsets are committed, the group is left
    App._stop_consumer: "55854a5de12c",
    Producer.on_start: "a83bd5324e9e",
    Worker._schedule_shutdown: "1a6a5dfc88c2",
}


@pytest.mark.parametrize("function", PINNED, ids=lambda function: function.__qualname__)
def test_faust_does_what_the_driver_was_written_against(function: Callable[..., Any]) -> None:
    found = sha256(inspect.getsource(function).encode()).hexdigest()[:12]
    assert found == PINNED[function], (
        f"{function.__module__}.{function.__qualname__} is not what it was ({found}): "
        "read it, check streams/kafka and test_delivery.py against it, then write the new digest here"
    )


def test_the_flow_is_open_when_a_consumer_is_made() -> None:
    assert Consumer.flow_active is True  # so the driver closes it itself at the first assignment
