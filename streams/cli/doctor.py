"""`freshet doctor`.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from streams.cli.options import Json, configured, write_json

if TYPE_CHECKING:
    from schemas.settings.model import Settings

MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


@configured
def doctor(settings: "Settings", as_json: Json = False) -> None:
    """Look at what Freshet needs: packages, models, disk, Kafka, Qdrant; status 1 where something fails."""
    from streams.operations.doctor.examine import examine

    found = []
    with _silent(logging.getLogger("freshet")):  # findings say it
        for one in examine(settings):
            found.append(one)
            if not as_json:
                typer.echo(f"{MARKS[one.level]}  {one.check:<10}{one.found}")
                if one.remedy:
                    typer.echo(f"  -> {one.remedy}")
    if as_json:
        write_json([one._asdict() for one in found])
    raise typer.Exit(int(any(one.level == "fail" for one in found)))


@contextmanager
def _silent(logger: logging.Logger) -> Iterator[None]:
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
