"""`freshet backup` and `freshet restore`: the state topics into a folder, and from there onto a new broker.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.log_files import progress_bar
from streams.cli.options import Json, configured, echo_err, treat_sigterm_as_ctrl_c, wait_for_broker, write_json

if TYPE_CHECKING:
    from schemas.settings.model import Settings
    from streams.logs.backup import Manifest, OnProgress

Folder = Annotated[Path, typer.Argument(file_okay=False, help="Folder of the backup.")]
INCOMPLETE = 1  # whole but for batches that nobody can read
INTERRUPTED = 130  # as a shell has it after Ctrl-C


@configured
def backup(settings: "Settings", folder: Folder, as_json: Json = False) -> None:
    """Copy the state topics into an empty folder; agents may go on meanwhile."""
    from streams.logs.backup import back_up

    wait_for_broker(settings)
    made = _with_bars(lambda on_progress: back_up(settings, folder, on_progress))
    _show(made, "backed up", as_json)
    if any(part.unreadable for part in made.topics):
        raise typer.Exit(INCOMPLETE)


@configured
def restore(settings: "Settings", folder: Folder, as_json: Json = False) -> None:
    """Write a backup to new topics of this prefix, before the agents start; everything is checked first."""
    from streams.logs.restore import restore as restored

    wait_for_broker(settings)
    _show(_with_bars(lambda on_progress: restored(settings, folder, on_progress)), "restored", as_json)


def _with_bars(work: "Callable[[OnProgress], Manifest]") -> "Manifest":
    """Do it with a bar on stderr for each topic."""
    treat_sigterm_as_ctrl_c()
    try:
        with progress_bar() as bars:
            rows: dict[str, object] = {}

            def on_progress(topic: str, count: int) -> None:
                if topic not in rows:
                    rows[topic] = bars.add_task(topic, total=None)
                bars.update(rows[topic], completed=count, description=f"{topic}: {count} records")  # type: ignore[arg-type]  # rich's own number

            return work(on_progress)
    except KeyboardInterrupt:
        echo_err("interrupted: it is not complete, and is not to be used")
        raise typer.Exit(INTERRUPTED) from None


def _show(manifest: "Manifest", done: str, as_json: bool) -> None:
    lacking = [one for part in manifest.topics for one in part.unreadable]
    if as_json:
        counts = {part.topic: part.records for part in manifest.topics}
        write_json({"began_at": manifest.began_at, "prefix": manifest.prefix, "records": counts, "unreadable": lacking})
        return
    for part in manifest.topics:
        typer.echo(f"{part.topic:<16}{part.records:>12} records of {part.partitions} partitions {done}")
    for one in lacking:
        echo_err(f"the backup lacks {one}")
