"""Commands that fill the index: from features.v1, and from a log of uploads."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import configured, echo_err

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.settings.model import Settings

SAY_EVERY_S = 5.0


@configured
def rebuild(settings: "Settings") -> None:
    """Fill a Qdrant collection from features.v1 for the present encoders and fusion, then switch the alias to it."""
    from streams.qdrant.rebuild import rebuild as rebuilt

    echo_err(
        f"{rebuilt(settings, echo_err, progress())} videos are in the index; the alias is {settings.qdrant_collection}"
    )


@configured
def backfill(
    settings: "Settings",
    log: Annotated[Path, typer.Argument(help="A JSONL log of uploads.")],
) -> None:
    """Describe a log's videos that the catalogue lacks or that other models described, behind the agents' back."""
    from schemas.topics import UPLOADS
    from streams.kafka.security import wait_for_authenticated_broker
    from streams.logs.jsonl import messages
    from streams.operations.backfill import backfill as filled

    uploads = messages(log, UPLOADS)
    wait_for_authenticated_broker(settings, echo_err)
    echo_err(f"{filled(settings, uploads, progress())} videos were described")


def progress() -> "Callable[[int, int], None]":
    """Says every few seconds how many of all are done, and how long the rest will take."""
    began = said = time.monotonic()

    def moved(done: int, total: int) -> None:
        nonlocal said
        if (now := time.monotonic()) - said > SAY_EVERY_S or done == total:
            said = now
            echo_err(f"{done} of {total} videos, {(total - done) * (now - began) / done:.0f} s to go")

    return moved
