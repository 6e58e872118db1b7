"""The command that compares the slates of two ways of ranking on a recorded log.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

import asyncio
import time
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.log_files import LogFile, ReportFile, progressing, write_result
from streams.cli.options import Json, configured, moment

if TYPE_CHECKING:
    from schemas.settings.model import Settings

WAY = (
    "a feed package.module:function, parameters .npz, a .toml of FRESHET_RANKING or of settings, "
    "or slates .jsonl (or .jsonl.gz, .zst, .bz2, .xz) of `freshet replay --out`"
)


@configured
def compare(
    settings: "Settings",
    a: Annotated[str, typer.Argument(metavar="A", help=f"A way of ranking: {WAY}.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another one, named in the same way.")],
    file: LogFile,
    from_: Annotated[
        int | None,
        typer.Option(
            "--from", "--split", parser=moment, metavar="TIME", help="Only slates after events from here on: ISO or ms."
        ),
    ] = None,
    sample: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of people whose slates are compared.")] = 1.0,
    learn: Annotated[bool, typer.Option("--learn", help="Learn meanwhile, as `freshet replay --learn`.")] = False,
    report: ReportFile = None,
    draws: Annotated[int, typer.Option(min=100, help="Draws of the bootstrap behind the intervals.")] = 1000,
    as_json: Json = False,
) -> None:
    """Compare the slates that two ways of ranking make of one recorded log, each figure with its interval."""
    from ranker.evaluation.report.slate_page import slate_page
    from ranker.evaluation.slate_comparison import as_json as to_json
    from ranker.evaluation.slate_text import slate_report
    from streams.logs.chosen import Chosen
    from streams.logs.jsonl import read_log
    from streams.logs.source import open_log
    from streams.operations.compare import LogComparison

    run = LogComparison(settings, (a, b), Chosen(from_ or 0, sample), learning=learn, clock=time.process_time)
    with open_log(file) as source, progressing(source, "compared") as lines:
        asyncio.run(run.run(read_log(lines)))
    write_result(run.result(draws), report, as_json, page=slate_page, data=to_json, text=slate_report)
