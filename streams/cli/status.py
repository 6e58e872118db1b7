"""`freshet status`.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import NO_WORKER, Json, configured, print_columns, write_json

if TYPE_CHECKING:
    from rich.table import Table

    from schemas.settings.model import Settings
    from streams.operations.worker_status import Row

INTERVAL_S = 2.0
CAPTION = "rates and times since the look before; Ctrl-C ends"
TEXTS = ("agent", "state", "waits for")  # the other columns hold numbers
LEFT_OUT = ("in flight", "metrics")  # a terminal is 80 columns wide; `--once` prints all


@configured
def status(
    settings: "Settings",
    once: Annotated[bool, typer.Option("--once", help="Print one table and end, also on a terminal.")] = False,
    as_json: Json = False,
) -> None:
    """Show how this machine's workers are doing: a table that is kept up to date, until Ctrl-C."""
    from streams.operations.worker_status import HEADINGS, Watcher, cells
    from streams.operations.worker_status import as_json as json_of

    watcher = Watcher(settings)
    if as_json:
        write_json([json_of(row) for row in watcher.look()])
    elif once or not sys.stdout.isatty():
        rows = cells(watcher.look())
        print_columns([HEADINGS, *rows]) if rows else typer.echo(NO_WORKER)
    else:
        with suppress(KeyboardInterrupt):
            _show(watcher.look)


def _show(look: Callable[[], "Sequence[Row]"]) -> None:
    from rich.live import Live

    with Live(_table(look()), auto_refresh=False, screen=False) as live:
        while True:
            time.sleep(INTERVAL_S)
            live.update(_table(look()), refresh=True)


def _table(rows: "Sequence[Row]") -> "Table":
    from rich.table import Table

    from streams.operations.worker_status import HEADINGS, cells

    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, caption=CAPTION if rows else NO_WORKER)
    shown = [number for number, heading in enumerate(HEADINGS) if heading not in LEFT_OUT]
    for number in shown:
        heading = HEADINGS[number]
        table.add_column(
            heading, justify="left" if heading in TEXTS else "right", no_wrap=heading != "waits for", overflow="fold"
        )
    for row, texts in zip(rows, cells(rows), strict=True):
        style = "" if row.status.state == "ready" and not row.is_silent else "yellow"
        table.add_row(*(texts[number] for number in shown), style=style)
    return table
