"""Commands that fill the index: from features.v1, and from a log of uploads.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import configured, echo_err

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.settings.model import Settings

PROGRESS_INTERVAL_S = 5.0


@configured
def rebuild(settings: "Settings") -> None:
    """Fill a Qdrant collection from features.v1 for the present encoders and fusion, then switch the alias to it."""
    from streams.operations import rebuild as operation
    from streams.qdrant.mapping import alias_of

    count = operation.rebuild(settings, echo_err, progress("records"))
    echo_err(f"{count} videos are in the index; the alias is {alias_of(settings)}")


@configured
def backfill(
    settings: "Settings",
    log: Annotated[Path, typer.Argument(help="A JSONL log of uploads.")],
) -> None:
    """Embed a log's videos that the catalogue lacks or that other models embedded, while the agents run."""
    from streams.kafka.probe import wait_for_authenticated_broker
    from streams.logs.jsonl import uploads_in
    from streams.operations import backfill as operation

    uploads = uploads_in(log)
    wait_for_authenticated_broker(settings, echo_err)
    echo_err(f"{operation.backfill(settings, uploads, progress())} videos were embedded")


def progress(what: str = "videos") -> "Callable[[int, int], None]":
    """A function that reports every few seconds how many of all are done, and how long the rest will take."""
    began = reported = time.monotonic()

    def on_progress(done: int, total: int) -> None:
        nonlocal reported
        if (now := time.monotonic()) - reported > PROGRESS_INTERVAL_S or done == total:
            reported = now
            echo_err(f"{done} of {total} {what}, {(total - done) * (now - began) / done:.0f} s to go")

    return on_progress
