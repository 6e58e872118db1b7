"""Commands that fill the index: from features.v1, and from a log of uploads.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.help import WholeSentences
from streams.cli.options import Json, configured, echo_err, write_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.settings.model import Settings

PROGRESS_INTERVAL_S = 5.0
app = typer.Typer(cls=WholeSentences, help="The vector index in a Qdrant server.", no_args_is_help=True)


@configured
def rebuild(settings: "Settings", as_json: Json = False) -> None:
    """Fill a Qdrant collection from features.v1 for the present encoders and fusion, then switch the alias to it."""
    from streams.operations import rebuild as operation
    from streams.qdrant.mapping import alias_of

    count = operation.rebuild(settings, echo_err, progress("records"))
    echo_err(f"{count} videos are in the index; the alias is {alias_of(settings)}")
    if as_json:
        write_json({"videos": count, "alias": alias_of(settings)})


@configured
def backfill(
    settings: "Settings",
    log: Annotated[Path, typer.Argument(help="A JSONL log of uploads.")],
    as_json: Json = False,
) -> None:
    """Embed a log's videos that the catalogue lacks or that other models embedded, while the agents run."""
    from streams.kafka.probe import wait_for_authenticated_broker
    from streams.logs.jsonl import uploads_in
    from streams.operations import backfill as operation

    uploads = uploads_in(log)
    wait_for_authenticated_broker(settings, echo_err)
    done = operation.backfill(settings, uploads, progress())
    echo_err(f"{done.embedded} videos were embedded")
    if done.left:
        echo_err(f"{done.left} stay as they were, as their media cannot be read any more: look at FRESHET_MEDIA_ROOT")
    if as_json:
        write_json(done._asdict())


@app.command()
@configured
def recall(
    settings: "Settings",
    sample: Annotated[int, typer.Option("--sample", min=2, max=10_000, help="For so many videos at random.")] = 200,
    many: Annotated[int, typer.Option("--many", "-k", min=1, max=1000, help="How many neighbours.")] = 32,
    ef: Annotated[int | None, typer.Option("--ef", min=1, help="Search so wide; by default as slates are.")] = None,
    as_json: Json = False,
) -> None:
    """Measure how many of the nearest videos Qdrant's search finds, beside its exact search."""
    from streams.operations import recall as operation

    found = operation.recall(settings, sample, many, ef, echo_err)
    if as_json:
        write_json(found)
        return
    typer.echo(
        f"recall@{found.many} {found.recall:.3f} (the lowest {found.lowest:.2f}) at hnsw_ef {found.ef}, of"
        f" {found.sample} among {found.videos} videos; {found.ms:.1f} ms a query, exact {found.exact_ms:.1f} ms"
    )


def progress(what: str = "videos") -> "Callable[[int, int], None]":
    """A function that reports every few seconds how many of all are done, and how long the rest will take."""
    began = reported = time.monotonic()

    def on_progress(done: int, total: int) -> None:
        nonlocal reported
        if (now := time.monotonic()) - reported > PROGRESS_INTERVAL_S or done == total:
            reported = now
            echo_err(f"{done} of {total} {what}, {(total - done) * (now - began) / done:.0f} s to go")

    return on_progress
