"""Commands that run the agents."""

from contextlib import ExitStack
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from streams.commands import configured, tell, treat_sigterm_as_ctrl_c

if TYPE_CHECKING:
    from schemas.settings.model import Settings


class Agent(StrEnum):
    """The agents that `up` runs, in the order of the data."""

    PROFILES = "profiles"
    ENCODER = "encoder"
    RANKER = "ranker"


@configured
def worker(settings: "Settings", name: Annotated[Agent, typer.Argument(help="Which agent.")]) -> None:
    """Run one agent in this process."""
    from streams import admin
    from streams.worker import run_worker

    admin.wait_until_let_in(settings, tell)
    admin.check(settings)
    run_worker(name.value, settings)


@configured
def up(
    settings: "Settings",
    with_broker: Annotated[bool, typer.Option("--broker", help="Also start a local Kafka where none answers.")] = False,
) -> None:
    """Apply the topics and run every agent on this machine, each in a process of its own, until Ctrl-C."""
    from streams import admin, up

    treat_sigterm_as_ctrl_c()
    try:
        with ExitStack() as running:
            if with_broker:
                running.enter_context(up.broker_if_none_answers(settings, tell))
            admin.wait_until_let_in(settings, tell)
            admin.apply(settings, tell)
            admin.check(settings)
            up.run(up.workers(tuple(Agent)), up.environment(settings), typer.echo, tell)
    except KeyboardInterrupt:
        tell("all stopped")
