"""Commands around messages: check a recorded log, send it.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.log_files import LogFile, progressing, report_faults, show_fault, usable
from streams.cli.options import Json, configured, wait_for_broker, write_json

if TYPE_CHECKING:
    from schemas.settings.model import Settings
    from streams.logs.faults import Faults
    from streams.logs.times import Times


def validate(
    file: LogFile,
    every: Annotated[bool, typer.Option("--every", help="Print every fault, not only the first 20.")] = False,
    as_json: Json = False,
) -> None:
    """Decode each line of a recorded log; name line, field and reason of what cannot be used."""
    from streams.logs.faults import SHOWN, Faults
    from streams.logs.jsonl import Fault, read_log
    from streams.logs.source import open_log
    from streams.logs.times import Times

    kinds: Counter[str] = Counter()
    faults, times = Faults(None if every else SHOWN, keep=False), Times()
    with open_log(file) as source:
        for line in read_log(source.lines()):
            if isinstance(line, Fault):
                if faults.add(line):
                    show_fault(line, as_json)
                continue
            kinds[line.kind] += 1
            times.add(line)
    _show_summary(source.name, kinds, faults, times, as_json)
    raise typer.Exit(1 if faults else 0)


def _show_summary(name: str, kinds: Counter[str], faults: "Faults", times: "Times", as_json: bool) -> None:
    if as_json:
        summary = {"usable": kinds.total(), "faults": len(faults), "kinds": dict(sorted(kinds.items()))}
        by_reason = {"faults_by_reason": dict(sorted(faults.reasons.items()))}
        write_json({**summary, **by_reason, **times.figures()})
        return
    if rest := faults.rest():
        typer.echo(f"{rest}; --every prints them")
    named = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "none"
    typer.echo(f"{name}: {kinds.total()} usable ({named}), {len(faults)} not")
    if notice := times.notice():
        typer.echo(notice)


@configured
def send(
    settings: "Settings",
    file: LogFile,
    speed: Annotated[str, typer.Option(help="1x, 60x …: by the times in the log; max: without waiting.")] = "max",
    as_json: Json = False,
) -> None:
    """Send a recorded log to feedback.v1, uploads.v1 and erasures.v1, each record confirmed by the broker."""
    send_log(settings, file, speed, as_json)


def send_log(settings: "Settings", file: Path, speed: str, as_json: bool) -> None:
    """Send a log with a progress bar and print what was confirmed; ends with status 1 if lines were left out."""
    pace = speed_of(speed)
    from streams.logs import send as sending
    from streams.logs.faults import Faults
    from streams.logs.source import open_log

    wait_for_broker(settings)
    faults = Faults()
    with open_log(file) as source, progressing(source, "sent") as lines:
        read = usable(lines, faults)
        sent = sending.send(sending.paced(read, pace) if pace else read, settings)
    report_faults(faults)
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
