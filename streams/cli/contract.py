"""`freshet contract`: whether the messages on the topics keep the contract.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.help import WholeSentences
from streams.cli.options import Json, configured, say, wait_for_broker, write_json
from streams.errors import OperatorError

if TYPE_CHECKING:
    from schemas.settings.model import Settings
    from streams.operations.contract.verify import Verified

app = typer.Typer(
    cls=WholeSentences, help="Check the messages on the topics against the contract.", no_args_is_help=True
)


@app.callback()
def contract() -> None:
    """Check the messages on the topics against the contract."""


@app.command()
@configured
def verify(
    settings: "Settings",
    from_start: Annotated[bool, typer.Option("--from-start", help="Read every topic in whole.")] = False,
    as_json: Json = False,
) -> None:
    """Read every topic from its start to its present end; fail if a message breaks a rule."""
    from streams.operations.contract import verify as operation

    if not from_start:
        raise OperatorError("The rules compare messages with earlier ones.", "Give --from-start to read all.", 2)
    wait_for_broker(settings)
    verified = list(operation.verify(settings))
    breaches = sum(one.breaches for one in verified)
    if as_json:
        write_json({"topics": [one.as_json() for one in verified], "breaches": breaches})
    else:
        _show(verified)
    raise typer.Exit(1 if breaches else 0)


def _show(verified: Sequence["Verified"]) -> None:
    width = max(len(one.topic) for one in verified)
    typer.echo(f"{'topic':{width}}  {'records':>9}  {'breaches':>8}")
    for one in verified:
        notes = [f"{one.repeats} published again with their version"] if one.repeats else []
        notes += [f"{one.not_judged} cannot be judged: what they follow from was deleted"] if one.not_judged else []
        note = f"  ({'; '.join(notes)})" if notes else ""
        typer.echo(f"{one.topic:{width}}  {one.records:>9}  {one.breaches:>8}{note}")
    for one in verified:
        for breach in one.first:
            say(str(breach))
        if one.breaches > len(one.first):
            typer.echo(f"{one.topic}: and {one.breaches - len(one.first)} more")
