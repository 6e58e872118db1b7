"""Commands that run the agents.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.agents import Agent, needed
from streams.cli.options import Json, configured, echo_err, echo_out, treat_sigterm_as_ctrl_c, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.settings.model import Settings
    from streams.worker.health import Status


@configured
def worker(settings: "Settings", name: Annotated[Agent, typer.Argument(help="Which agent.")]) -> None:
    """Run one agent in this process."""
    from schemas.topics import TOPICS
    from streams.kafka import topic_admin
    from streams.kafka.probe import wait_for_authenticated_broker
    from streams.worker.run import run_worker

    wait_for_authenticated_broker(settings, echo_err)
    topic_admin.check(settings, TOPICS)
    run_worker(name.value, settings)


@configured
def up(
    settings: "Settings",
    with_broker: Annotated[bool, typer.Option("--broker", help="Also start a local Kafka where none answers.")] = False,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop all when one ends.")] = False,
    as_json: Json = False,
) -> None:
    """Apply the topics and run every agent and the HTTP API on this machine, a process each, until Ctrl-C.

    What ends is started again, more and more slowly. With --json what they write goes to stderr, and one line with the
    workers and the page to stdout, once all are ready.
    """
    from schemas.topics import TOPICS
    from streams.api.access import require_tokens
    from streams.kafka import topic_admin
    from streams.kafka.probe import wait_for_authenticated_broker
    from streams.local.broker import broker_if_none_answers
    from streams.worker import supervise
    from streams.worker.readiness import Readiness
    from streams.worker.restarts import Restarts

    def look_after(processes: supervise.Processes) -> None:
        if broker is not None:
            broker.start_again_if_ended(echo_err)
        readiness.look(processes)

    require_tokens(settings)
    treat_sigterm_as_ctrl_c()
    try:
        with ExitStack() as running:
            running.enter_context(supervise.only_one(settings))
            broker = None
            if with_broker:
                broker = running.enter_context(broker_if_none_answers(settings, echo_err, lasts=True))
            wait_for_authenticated_broker(settings, echo_err)
            topic_admin.apply(settings, TOPICS, echo_err, may_grow=False)  # that is asked for, by `topics apply`
            topic_admin.check(settings, TOPICS)
            commands = supervise.workers(needed(settings.qdrant_url)) | supervise.api()
            environ = supervise.environment(supervise.with_metrics(settings))
            readiness = Readiness(settings, echo_err, on_ready=_write_ready if as_json else lambda *_: None)
            write, restarts = echo_err if as_json else echo_out, None if fail_fast else Restarts()
            supervise.run(commands, environ, write, echo_err, look_after, restarts)
    except KeyboardInterrupt:
        echo_err("all stopped")


def _write_ready(ready: "Sequence[Status]", page: str | None) -> None:
    workers = [{"agent": one.agent, "pid": one.pid, "metrics": one.metrics or None} for one in ready]
    write_json({"workers": workers, "page": page})
