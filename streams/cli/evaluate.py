"""The command that says how well a recorded log is predicted.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.log_files import LogFile, progressing
from streams.cli.options import Json, configured, echo_err, moment, write_json

if TYPE_CHECKING:
    from ranker.evaluation.gate import Rule
    from schemas.settings.model import Settings


@configured
def evaluate(
    settings: "Settings",
    file: LogFile,
    split: Annotated[
        int, typer.Option(parser=moment, metavar="TIME", help="Test from here on: ISO 8601 or Unix time in ms.")
    ],
    report: Annotated[Path | None, typer.Option(help="Write one HTML page with tables and plots here.")] = None,
    against: Annotated[
        list[Path] | None, typer.Option(help="Parameters of `freshet train` to compare with, as they are; repeatable.")
    ] = None,
    gate: Annotated[Path | None, typer.Option(help="TOML file of what has to be shown; else status 1.")] = None,
    draws: Annotated[int, typer.Option(min=100, help="Draws of the bootstrap behind the intervals.")] = 1000,
    as_json: Json = False,
) -> None:
    """Predict what people finish, like and skip, each time before learning from it, beside simple baselines."""
    rules = _rules(gate)
    from ranker.evaluation.gate import failures
    from ranker.evaluation.report.page import html_report
    from ranker.evaluation.result import as_json as to_json
    from ranker.evaluation.table import text_report
    from ranker.feeds.load import parameters_in
    from streams.logs.jsonl import read_log
    from streams.logs.source import open_log
    from streams.operations.evaluate import LogEvaluation

    run = LogEvaluation(settings, split, {one.name: parameters_in(str(one)).parameters for one in against or ()})
    with open_log(file) as source, progressing(source, "evaluated") as lines:
        run.run(read_log(lines))
    result = run.result(draws)
    if report:
        report.write_text(html_report(result), "utf-8")
    if as_json:
        write_json(to_json(result))
    else:
        typer.echo(text_report(result))
    failed = failures(rules, result) if rules else []
    for sentence in failed:
        echo_err(sentence)
    raise typer.Exit(1 if failed else 0)


def _rules(gate: Path | None) -> "tuple[Rule, ...]":
    """The gate, read before the work begins: a mistake in it is told at once."""
    if gate is None:
        return ()
    from ranker.evaluation.gate import GateError, read_gate

    try:
        return read_gate(gate.read_text("utf-8"))
    except (GateError, OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{gate}: {error}") from error
