"""Commands around replay: run a recorded log without a broker, and compare states by their digests.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

import asyncio
import gc
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.log_files import LogFile, progressing, report_faults, writable_file
from streams.cli.logs import send_log
from streams.cli.options import (
    Json,
    configured,
    echo_err,
    moment,
    print_figures,
    treat_sigterm_as_ctrl_c,
    wait_for_broker,
    write_json,
)

if TYPE_CHECKING:
    from schemas.settings.model import Settings
    from streams.logs.jsonl import Fault, Line
    from streams.logs.outcome import Outcome
    from streams.logs.parallel import Job
    from streams.logs.slate_files import Write

YOUNG_OBJECTS = 100_000  # made before garbage is looked for: what is made of a log has no cycles


@configured
def replay(
    settings: "Settings",
    file: LogFile,
    out: Annotated[
        Path | None,
        typer.Option(
            callback=writable_file, help="Write the slates here: JSON Lines, by the name also .gz, .zst or .parquet."
        ),
    ] = None,
    no_slates: Annotated[
        bool, typer.Option("--no-slates", help="Fold the profiles and print their digest; rank nobody.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes; changes no byte.")] = 1,
    users: Annotated[
        list[str] | None, typer.Option(metavar="USER", help="Slates of these people alone; repeatable.")
    ] = None,
    sample: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of people who get slates.")] = 1.0,
    from_: Annotated[
        int | None,
        typer.Option("--from", parser=moment, metavar="TIME", help="Slates after events from here on: ISO or ms."),
    ] = None,
    to: Annotated[
        int | None, typer.Option(parser=moment, metavar="TIME", help="Slates after events before this time.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Slates computed together; changes no byte.")] = 64,
    partitions: Annotated[int | None, typer.Option(min=1, help="Partitions of people; changes no byte.")] = None,
    restart_at: Annotated[int | None, typer.Option(min=1, help="Line at which all state is written and read.")] = None,
    learn: Annotated[bool, typer.Option("--learn", help="Learn meanwhile, as the learning agent does.")] = False,
    to_kafka: Annotated[bool, typer.Option("--to-kafka", help="Send the log to the broker instead.")] = False,
    speed: Annotated[str, typer.Option(help="With --to-kafka: 1x, 60x … by the log's times, or max.")] = "max",
    as_json: Json = False,
) -> None:
    """Run a recorded log through the agents' steps without a broker; the same log gives the same bytes."""
    is_chosen = bool(users) or sample < 1 or from_ is not None or to is not None
    if (to_kafka or no_slates) and (out or learn or workers > 1 or is_chosen):
        given = "--to-kafka" if to_kafka else "--no-slates"
        raise typer.BadParameter(f"{given} takes the whole log, without --out, --learn, --workers or chosen slates.")
    if to_kafka:
        send_log(settings, file, speed, as_json)
        return
    if workers > 1 and not _is_file(file):
        raise typer.BadParameter("--workers needs a log that is a file: each process reads all of it.")
    from streams.logs.chosen import Chosen
    from streams.logs.parallel import Job

    started = time.perf_counter()
    gc.set_threshold(YOUNG_OBJECTS)
    chosen = Chosen(from_ or 0, sample, to or float("inf"), frozenset(users or ()))
    settings = settings.model_copy(update={"partitions": partitions}) if partitions else settings
    job = Job(settings, file, chosen, batch, restart_at, learn, is_written=out is not None)
    outcome = _fold(job) if no_slates else _replayed(job, workers, out)
    _show(outcome, time.perf_counter() - started, as_json)


def _is_file(log: Path) -> bool:
    return str(log) != "-" and stat.S_ISREG(log.stat().st_mode)


def _fold(job: "Job") -> "Outcome":
    from streams.logs.fold import Fold
    from streams.logs.jsonl import read_log
    from streams.logs.source import open_log

    with open_log(job.log) as source, progressing(source, "folded") as lines:
        return Fold(job.settings).run(read_log(lines), job.restart_at)


def _replayed(job: "Job", workers: int, out: Path | None) -> "Outcome":
    from streams.logs.jsonl import read_log
    from streams.logs.parallel import replay_parts
    from streams.logs.slate_files import slate_file
    from streams.logs.source import open_log

    with ExitStack() as opened:
        write = opened.enter_context(slate_file(out)) if out else _drop
        if workers > 1:
            treat_sigterm_as_ctrl_c()  # so that no process stays behind
            return replay_parts(job, workers, write)
        source = opened.enter_context(open_log(job.log))
        lines = opened.enter_context(progressing(source, "replayed"))
        return asyncio.run(_replay(job, read_log(lines), write))


def _drop(slate: bytes) -> None:
    """Nobody wants the slates themselves."""


async def _replay(job: "Job", lines: "Iterator[Line | Fault]", write: "Write") -> "Outcome":
    from schemas.messages import recommendations
    from streams.logs.parallel import replay_of

    run = replay_of(job)
    async for slate in run.run(lines, job.restart_at):
        if job.is_written:
            write(recommendations.encode(slate))
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
