"""Commands around replay: run a recorded log without a broker, and compare states by their digests.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from streams.cli.log_files import LogFile, progressing, report_faults
from streams.cli.logs import send_log
from streams.cli.options import Json, configured, echo_err, print_figures, wait_for_broker, write_json

if TYPE_CHECKING:
    from schemas.settings.model import Settings
    from streams.logs.jsonl import Fault, Line
    from streams.logs.replay import Outcome


@configured
def replay(
    settings: "Settings",
    file: LogFile,
    out: Annotated[Path | None, typer.Option(help="Write the slates here, one JSON object a line.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Slates computed together; changes no byte.")] = 64,
    partitions: Annotated[int | None, typer.Option(min=1, help="Partitions of people; changes no byte.")] = None,
    restart_at: Annotated[int | None, typer.Option(min=1, help="Line at which all state is written and read.")] = None,
    learn: Annotated[bool, typer.Option("--learn", help="Learn meanwhile, as the learning agent does.")] = False,
    to_kafka: Annotated[bool, typer.Option("--to-kafka", help="Send the log to the broker instead.")] = False,
    speed: Annotated[str, typer.Option(help="With --to-kafka: 1x, 60x … by the log's times, or max.")] = "max",
    as_json: Json = False,
) -> None:
    """Run a recorded log through the agents' steps without a broker; the same log gives the same bytes."""
    if to_kafka:
        send_log(settings, file, speed, as_json)
        return
    from streams.logs.jsonl import read_log
    from streams.logs.source import open_log

    started = time.perf_counter()
    chosen = settings.model_copy(update={"partitions": partitions}) if partitions else settings
    with ExitStack() as opened:
        source = opened.enter_context(open_log(file))
        slates = opened.enter_context(out.open("wb")) if out else None
        lines = opened.enter_context(progressing(source, "replayed"))
        outcome = asyncio.run(_replay(chosen, read_log(lines), slates, batch, restart_at, learn))
    _show(outcome, time.perf_counter() - started, as_json)


async def _replay(
    settings: "Settings",
    lines: "Iterator[Line | Fault]",
    out: "BinaryIO | None",
    batch: int,
    restart_at: int | None,
    learn: bool,
) -> "Outcome":
    from schemas.messages import recommendations
    from streams.logs.replay import Replay, replay_embedder

    run = Replay(settings, replay_embedder(settings), batch=batch, learning=learn)
    async for slate in run.run(lines, restart_at):
        if out:
            out.write(recommendations.encode(slate) + b"\n")
    return run.outcome


def _show(outcome: "Outcome", seconds: float, as_json: bool) -> None:
    report_faults(outcome.faults)
    for notice in outcome.notices():
        echo_err(notice)
    figures = {**outcome.figures(), "seconds": round(seconds, 3)}
    if as_json:
        write_json(figures)
        return
    print_figures(figures)


@configured
def digest(settings: "Settings", as_json: Json = False) -> None:
    """Read the live profiles and print their state digest, as `freshet replay` prints it for a log."""
    from streams.logs.digest import live_digest

    wait_for_broker(settings)
    state, people = live_digest(settings)
    if as_json:
        write_json({"state_digest": state, "profiles": people})
    else:
        typer.echo(f"{state}  ({people} profiles)")
