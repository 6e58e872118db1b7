"""The command that says how well a recorded log is predicted.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.log_files import LogFile, progressing
from streams.cli.options import Json, configured, echo_err, write_json

if TYPE_CHECKING:
    from ranker.evaluation.gate import Rule
    from schemas.settings.model import Settings

MS = 1000
SHORT_MS = 10_000_000_000  # a number below is no time in ms of this century


def moment(text: str) -> int:
    """Unix time in ms, from ISO 8601 or from such a number.

    >>> moment("2022-04-28T16:00Z"), moment("1651161600000"), moment("2022-04-28T16:00")
    (1651161600000, 1651161600000, 1651161600000)
    """
    if text.isascii() and text.isdigit() and int(text) >= SHORT_MS:
        return int(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        message = f"{text!r} is neither ISO 8601, such as 2022-04-28T16:00Z, nor Unix time in ms"
        raise typer.BadParameter(message) from None
    return round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * MS)


@configured
def evaluate(
    settings: "Settings",
    file: LogFile,
    split: Annotated[
        int, typer.Option(parser=moment, metavar="TIME", help="Test from here on: ISO 8601 or Unix time in ms.")
    ],
    report: Annotated[Path | None, typer.Option(help="Write one HTML page with tables and plots here.")] = None,
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
    from streams.logs.jsonl import read_log
    from streams.logs.source import open_log
    from streams.operations.evaluate import LogEvaluation

    run = LogEvaluation(settings, split)
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
