"""What the commands that read a log share: the argument, the progress, the faults.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from streams.cli.options import echo_err, say, write_json

if TYPE_CHECKING:
    from rich.progress import Progress

    from streams.logs.faults import Faults
    from streams.logs.jsonl import Fault, Line
    from streams.logs.source import Source

R = TypeVar("R")
SHOWN_LINES = 100  # lines after which the bar moves


def readable_file(file: Path | None) -> Path | None:
    """The file, if it can be read, or none where none is named; a usage error otherwise."""
    if file is None or str(file) == "-":
        return file
    if file.is_dir():
        raise typer.BadParameter(f"{file} is a folder.")
    if not file.exists():
        raise typer.BadParameter(f"{file} does not exist.")
    if not os.access(file, os.R_OK):
        raise typer.BadParameter(f"{file} is not readable.")
    return file


LogFile = Annotated[
    Path,
    typer.Argument(
        callback=readable_file, help="JSON Lines, one message a line, also .gz, .zst, .bz2, .xz; -: standard input."
    ),
]


def writable_file(file: Path | None) -> Path | None:
    """The file, if it can be written once the work is done, or none where none is named; a usage error otherwise."""
    if file is None:
        return file
    if str(file) == "-":
        raise typer.BadParameter("name a file; standard output has the figures.")
    if file.is_dir():
        raise typer.BadParameter(f"{file} is a folder.")
    if not file.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {file.parent}.")
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise typer.BadParameter(f"{file} cannot be written.")
    return file


ReportFile = Annotated[
    Path | None, typer.Option(callback=writable_file, help="Write one HTML page with tables and plots here.")
]


def progress_bar() -> "Progress":
    """A bar on stderr, so that stdout carries only data."""
    from rich.console import Console
    from rich.progress import Progress

    return Progress(console=Console(stderr=True))


@contextmanager
def progressing(source: "Source", what: str) -> "Iterator[Iterator[bytes]]":
    """The lines of a log, with a bar that shows how much of it has been read."""
    with progress_bar() as progress:
        bar = progress.add_task(what, total=source.size)

        def lines() -> Iterator[bytes]:
            for number, line in enumerate(source.lines()):
                if number % SHOWN_LINES == 0:  # to show each takes longer than to read it
                    progress.update(bar, completed=source.position)
                yield line
            progress.update(bar, completed=source.position)

        yield lines()


def usable(lines: Iterator[bytes], faults: "Faults") -> "Iterator[Line]":
    """The lines that can be used; the others are counted."""
    from streams.logs.jsonl import Fault, read_log

    for line in read_log(lines):
        if isinstance(line, Fault):
            faults.add(line)
        else:
            yield line


def show_fault(fault: "Fault", as_json: bool) -> None:
    """Print a line that cannot be used."""
    if as_json:
        detail = fault.shown_detail
        write_json({"line": fault.number, "field": fault.field, "reason": fault.reason.value, "detail": detail})
    else:
        say(str(fault))


def report_faults(faults: "Faults") -> None:
    """The first faults on stderr, and how many there are more."""
    for fault in faults.first:
        echo_err(str(fault))
    if rest := faults.rest():
        echo_err(rest)


def write_result(
    result: R,
    report: Path | None,
    as_json: bool,
    *,
    page: Callable[[R], str],
    data: Callable[[R], object],
    text: Callable[[R], str],
) -> None:
    """Print a result as text or as JSON; where a report is wanted, write its page there before."""
    if report:
        report.write_text(page(result), "utf-8")
    if as_json:
        write_json(data(result))
    else:
        say(text(result))
