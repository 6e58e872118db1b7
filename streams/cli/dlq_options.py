"""What the commands of `freshet dlq` share: which dead letters they are about."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from schemas.agents import Agent
from schemas.messages.dead_letters import Reason
from streams.cli.options import moment

if TYPE_CHECKING:
    from schemas.settings.model import Settings

CHOOSING = {
    "reason": Annotated[Reason | None, typer.Option("--reason", metavar="REASON", help="Only of this reason.")],
    "topic": Annotated[str | None, typer.Option("--topic", help="Only from this topic, such as feedback.v1.")],
    "agent": Annotated[Agent | None, typer.Option("--agent", metavar="AGENT", help="Only from what this agent reads.")],
    "from_ms": Annotated[
        int | None,
        typer.Option("--from", parser=moment, metavar="TIME", help="Only written from here on: ISO 8601 or ms."),
    ],
    "until_ms": Annotated[
        int | None, typer.Option("--until", parser=moment, metavar="TIME", help="Only written before: ISO 8601 or ms.")
    ],
}
All = Annotated[bool, typer.Option("--all", help="Also those that were discarded, or sent again.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Report what would be done, and do nothing.")]


def choosing(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that choose; its second parameter, after the settings, gets the choice."""
    first, _, *own = inspect.signature(command).parameters.values()

    @wraps(command)
    def with_choice(settings: "Settings", **arguments: Any) -> None:  # whatever the command declares
        from streams.operations.dead_letters.chosen import choice_of

        chosen = [arguments.pop(name) for name in CHOOSING]
        command(settings, choice_of(settings, *chosen), **arguments)

    keyword = inspect.Parameter.KEYWORD_ONLY
    options = [inspect.Parameter(name, keyword, default=None, annotation=kind) for name, kind in CHOOSING.items()]
    parameters = [first, *(parameter.replace(kind=keyword) for parameter in own), *options]
    with_choice.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer reads it
    return with_choice
