"""`freshet contract`: whether what stands on the topics keeps the contract."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.options import Json, configured, write_json

if TYPE_CHECKING:
    from schemas.settings.model import Settings

app = typer.Typer(help="Check the messages on the topics against the contract.", no_args_is_help=True)


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
    from streams.errors import OperatorError
    from streams.operations.contract.verify import run

    if not from_start:
        raise OperatorError("The rules reach from one message to the next.", "Report --from-start to read all.", 2)
    told = list(run(settings))
    breaches = sum(topic["breaches"] for topic in told)
    if as_json:
        write_json({"topics": told, "breaches": breaches})
    else:
        _show(told)
    raise typer.Exit(1 if breaches else 0)


def _show(told: list[dict[str, Any]]) -> None:
    from streams.operations.contract.facts import Breach

    wide = max(len(topic["topic"]) for topic in told)
    typer.echo(f"{'topic':{wide}}  {'records':>9}  {'breaches':>8}")
    for topic in told:
        note = f"  ({topic['repeats']} came again with their version)" if topic.get("repeats") else ""
        typer.echo(f"{topic['topic']:{wide}}  {topic['records']:>9}  {topic['breaches']:>8}{note}")
    for topic in told:
        for one in topic["first"]:
            typer.echo(str(Breach(**one)))
        if topic["breaches"] > len(topic["first"]):
            typer.echo(f"{topic['topic']}: and {topic['breaches'] - len(topic['first'])} more")
