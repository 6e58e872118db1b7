"""`freshet doctor`.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

from typing import TYPE_CHECKING

import typer

from streams.cli.options import Json, configured, write_json

if TYPE_CHECKING:
    from schemas.settings.model import Settings

MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


@configured
def doctor(settings: "Settings", as_json: Json = False) -> None:
    """Look at what Freshet needs: packages, models, disk, Kafka, Qdrant; status 1 where something fails."""
    import logging

    from streams.operations.doctor.examine import examine

    logging.getLogger("freshet").setLevel(logging.CRITICAL)  # findings say it
    found = []
    for one in examine(settings):
        found.append(one)
        if not as_json:
            typer.echo(f"{MARKS[one.level]}  {one.check:<10}{one.found}")
            if one.remedy:
                typer.echo(f"  -> {one.remedy}")
    if as_json:
        write_json([one._asdict() for one in found])
    raise typer.Exit(int(any(one.level == "fail" for one in found)))
