"""Commands around replay: run a recorded log without a broker, and compare states by their digests.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from streams.cli.logs import LogFile, send_log
from streams.cli.options import Json, configured, echo_err, wait_for_broker, write_json

if TYPE_CHECKING:
    from rich.progress import Progress

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
    to_kafka: Annotated[bool, typer.Option("--to-kafka", help="Send the log to the broker instead.")] = False,
    speed: Annotated[str, typer.Option(help="With --to-kafka: 1x, 60x … by the log's times, or max.")] = "max",
    as_json: Json = False,
) -> None:
    """Run a recorded log through the agents' steps without a broker; the same log gives the same bytes."""
    if to_kafka:
        send_log(settings, file, speed, as_json)
        return
    started = time.perf_counter()
    chosen = settings.model_copy(update={"partitions": partitions}) if partitions else settings
    with ExitStack() as opened:
        lines = opened.enter_context(file.open("rb"))
        slates = opened.enter_context(out.open("wb")) if out else None
        progress = opened.enter_context(progress_bar())
        bar = progress.add_task("replayed", total=file.stat().st_size)
        read = _advancing(lines, lambda size: progress.advance(bar, size))
        outcome = asyncio.run(_replay(chosen, read, slates, batch, restart_at))
    _show(outcome, time.perf_counter() - started, as_json)


async def _replay(
    settings: "Settings", lines: "Iterator[Line | Fault]", out: "BinaryIO | None", batch: int, restart_at: int | None
) -> "Outcome":
    from schemas.messages import recommendations
    from streams.logs.replay import Replay, replay_embedder

    run = Replay(settings, replay_embedder(settings), batch=batch)
    async for slate in run.run(lines, restart_at):
        if out:
            out.write(recommendations.encode(slate) + b"\n")
    return run.outcome


def progress_bar() -> "Progress":
    """A bar on stderr, so that stdout carries only data."""
    from rich.console import Console
    from rich.progress import Progress

    return Progress(console=Console(stderr=True))


def _advancing(lines: Iterator[bytes], advance: Callable[[int], None]) -> "Iterator[Line | Fault]":
    from streams.logs.jsonl import read_log

    def counted() -> Iterator[bytes]:
        for line in lines:
            advance(len(line))
            yield line

    return read_log(counted())


def _show(outcome: "Outcome", seconds: float, as_json: bool) -> None:
    for fault in outcome.faults:
        echo_err(str(fault))
    figures = {name: value for name, value in asdict(outcome).items() if name != "faults"}
    figures["seconds"] = round(seconds, 3)
    if as_json:
        write_json(figures)
    else:
        for name, value in figures.items():
            typer.echo(f"{name:<14}{value}")


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
