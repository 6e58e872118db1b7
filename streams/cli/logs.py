"""Commands around messages: check a recorded log, send it, watch the slates.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import Json, configured, echo_err, is_reader_gone, print_columns, wait_for_broker, write_json

if TYPE_CHECKING:
    from schemas.settings.model import Settings
    from streams.logs.jsonl import Fault, Line

LogFile = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="JSON Lines, one message a line.")
]


def validate(file: LogFile, as_json: Json = False) -> None:
    """Decode each line of a recorded log; name line, field and reason of what cannot be used."""
    from streams.logs.jsonl import Fault, read_log

    kinds: Counter[str] = Counter()
    faults = 0
    first_ms, last_ms = None, None
    with file.open("rb") as lines:
        for line in read_log(lines):
            if isinstance(line, Fault):
                faults += 1
                _show_fault(line, as_json)
                continue
            kinds[line.kind] += 1
            first_ms = line.at_ms if first_ms is None else min(first_ms, line.at_ms)
            last_ms = line.at_ms if last_ms is None else max(last_ms, line.at_ms)
    summary = {"usable": kinds.total(), "faults": faults, "kinds": dict(sorted(kinds.items()))}
    if as_json:
        write_json({**summary, "first_ms": first_ms, "last_ms": last_ms})
    else:
        named = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "none"
        typer.echo(f"{file}: {kinds.total()} usable ({named}), {faults} not")
    raise typer.Exit(1 if faults else 0)


def _show_fault(fault: "Fault", as_json: bool) -> None:
    if as_json:
        write_json({"line": fault.number, "field": fault.field, "reason": fault.reason.value, "detail": fault.detail})
    else:
        typer.echo(str(fault))


@configured
def send(
    settings: "Settings",
    file: LogFile,
    speed: Annotated[str, typer.Option(help="1x, 60x …: by the times in the log; max: without waiting.")] = "max",
    as_json: Json = False,
) -> None:
    """Send a recorded log to feedback.v1 and uploads.v1, each record confirmed by the broker."""
    send_log(settings, file, speed, as_json)


def send_log(settings: "Settings", file: Path, speed: str, as_json: bool) -> None:
    """Send a log with a progress bar and print what was confirmed; ends with status 1 if lines were left out."""
    pace = speed_of(speed)
    from rich.console import Console
    from rich.progress import Progress

    from streams.logs import send as sending

    wait_for_broker(settings)
    faults: list[Fault] = []
    with file.open("rb") as lines, Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("confirmed", total=file.stat().st_size)
        usable = _usable(lines, faults)
        sent = sending.send(
            sending.paced(usable, pace) if pace else usable,
            settings,
            lambda line: progress.advance(bar, len(line.value) + 1),
        )
    for fault in faults:
        echo_err(str(fault))
    if as_json:
        write_json({"confirmed": dict(sorted(sent.items())), "left_out": len(faults)})
    else:
        for topic, count in sorted(sent.items()):
            typer.echo(f"{topic}: {count} confirmed")
    raise typer.Exit(1 if faults else 0)


def speed_of(text: str) -> float | None:
    """Read `60x` as 60 and `max` as None.

    >>> speed_of("60x"), speed_of("0.5x"), speed_of("max")
    (60.0, 0.5, None)
    """
    if text == "max":
        return None
    with suppress(ValueError):
        if text.endswith("x") and 0 < (speed := float(text[:-1])) < float("inf"):
            return speed
    raise typer.BadParameter(f"{text!r} is none of 1x, 60x, max", param_hint="--speed")


def _usable(lines: Iterator[bytes], faults: "list[Fault]") -> "Iterator[Line]":
    from streams.logs.jsonl import Fault, read_log

    for line in read_log(lines):
        if isinstance(line, Fault):
            faults.append(line)
        else:
            yield line


@configured
def watch(
    settings: "Settings",
    user: Annotated[str | None, typer.Argument(help="Only this person's slates.")] = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with the oldest slate kept.")] = False,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many slates.")] = None,
    as_json: Json = False,
) -> None:
    """Show slates as they come out, until Ctrl-C."""
    from streams.logs.tail import tail_recommendations

    wait_for_broker(settings)
    echo_err(f"watching slates of {user or 'everybody'} at {settings.bootstrap}; Ctrl-C ends")
    with suppress(KeyboardInterrupt):
        for record in islice(tail_recommendations(settings, user, from_start, is_reader_gone), count):
            if not as_json:
                _show_slate(record.user_id, record.value)
            elif record.value is not None:
                typer.echo(record.value)
            else:
                write_json({"user_id": record.user_id, "erased": True})
        if is_reader_gone():
            raise BrokenPipeError


def _show_slate(user_id: str, value: bytes | None) -> None:
    import msgspec

    from schemas.messages.recommendations import decode_recommendation
    from streams.logs.tail import heading, reasons_of

    if value is None:
        typer.echo(f"{user_id}: erased")
        return
    try:
        slate = decode_recommendation(value)
    except msgspec.DecodeError as error:
        echo_err(f"{user_id}: a slate that cannot be decoded: {error}")
        return
    typer.echo(heading(slate))
    rows = [
        (str(item.rank), item.video_id, f"{item.score:.4f}", ", ".join(item.sources), reasons_of(item))
        for item in slate.items
    ]
    print_columns([("rank", "video", "score", "sources", "because"), *rows])
