"""`freshet topics`: what is missing or different on the broker, and bringing it in line.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from streams.cli.help import WholeSentences
from streams.cli.options import Json, configured, echo_err, wait_for_broker, write_json

if TYPE_CHECKING:
    from schemas.settings.model import Settings
    from streams.kafka.topic_admin import Difference

app = typer.Typer(
    cls=WholeSentences,
    help="Compare, create and alter Freshet's topics; nothing is ever deleted.",
    no_args_is_help=True,
)


@app.command()
@configured
def plan(settings: "Settings", as_json: Json = False) -> None:
    """List what `apply` would do; changes nothing and succeeds."""
    from schemas.topics import TOPICS
    from streams.kafka import topic_admin

    _show(topic_admin.plan(settings, TOPICS, echo_err), as_json)


@app.command()
@configured
def check(settings: "Settings", as_json: Json = False) -> None:
    """List what differs, and fail if anything does."""
    from schemas.topics import TOPICS
    from streams.kafka import topic_admin

    differences = topic_admin.plan(settings, TOPICS, echo_err)
    _show(differences, as_json)
    raise typer.Exit(1 if differences else 0)


@app.command()
@configured
def apply(settings: "Settings", as_json: Json = False) -> None:
    """Create missing topics and alter their configuration; change nothing and fail if something has to be refused."""
    from schemas.topics import TOPICS
    from streams.kafka import topic_admin

    done: list[str] = []
    wait_for_broker(settings)
    refused = topic_admin.apply(settings, TOPICS, done.append)
    if as_json:
        write_json({"differences": done, "refused": [asdict(difference) for difference in refused]})
    else:
        for line in done or ["the topics are as they should be"]:
            echo_err(line)
    raise typer.Exit(1 if refused else 0)


def _show(differences: "Sequence[Difference]", as_json: bool) -> None:
    if as_json:
        write_json([asdict(difference) for difference in differences])
        return
    for difference in differences:
        typer.echo(str(difference))
    if not differences:
        echo_err("the topics are as they should be")
