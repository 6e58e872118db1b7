"""The command that says how well a recorded log is predicted.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.log_files import LogFile, ReportFile, progressing, write_result
from streams.cli.options import Json, configured, echo_err, moment, treat_sigterm_as_ctrl_c

if TYPE_CHECKING:
    from ranker.evaluation.gate import Rule
    from schemas.settings.model import Settings
    from streams.operations.baselines.exchange import Answer
    from streams.operations.evaluate import LogEvaluation
    from streams.operations.evaluated_models import Model

FILE: Any = {"exists": True, "dir_okay": False, "readable": True}  # of an option that names one


class Baselines(StrEnum):
    """Which baselines there are beside the simple ones."""

    HEAVY = "heavy"


@configured
def evaluate(
    settings: "Settings",
    file: LogFile,
    split: Annotated[
        int, typer.Option(parser=moment, metavar="TIME", help="Test from here on: ISO 8601 or Unix time in ms.")
    ],
    report: ReportFile = None,
    against: Annotated[
        list[Path] | None, typer.Option(help="Parameters of `freshet train` to compare with, as they are; repeatable.")
    ] = None,
    lag: Annotated[
        list[int] | None,
        typer.Option(min=1, metavar="SECONDS", help="Also by parameters that are so far behind; repeatable."),
    ] = None,
    people: Annotated[
        Path | None, typer.Option(**FILE, help="JSONL of user features: a model beside, with them.")
    ] = None,
    warm: Annotated[
        Path | None, typer.Option(**FILE, help="JSONL of undated histories: a model beside, which begins with them.")
    ] = None,
    sequence: Annotated[
        Path | None, typer.Option(**FILE, help="Model of `freshet train-sequence`: also its place of the next finish.")
    ] = None,
    no_catalogue: Annotated[
        bool,
        typer.Option("--no-catalogue", help="Leave out the next finish among all videos: half the time."),
    ] = False,
    next_like: Annotated[
        bool,
        typer.Option(
            "--next-like",
            help="Rank each like among all videos, of who liked one before, instead of each person's first finish.",
        ),
    ] = False,
    baselines: Annotated[
        Baselines | None,
        typer.Option(help="heavy: also boosting, logistic regression, BM25, ALS and SASRec, made by `make baselines`."),
    ] = None,
    baselines_env: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Their environment, if it is not beside this one.")
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
    from streams.operations.evaluate import NO_ANSWER, LogEvaluation
    from streams.operations.evaluate_catalogue import FINISH, LIKE
    from streams.operations.evaluated_models import frozen, lagging
    from streams.ranking.sequence import sequence_in

    treat_sigterm_as_ctrl_c()  # so that a process and a folder of baselines do not stay behind
    python = _interpreter(baselines_env) if baselines else None
    models = {one.name: frozen(parameters_in(str(one)).parameters) for one in against or ()}
    beside = models | lagging(lag or ()) | _beside(people, warm)
    model = sequence_in(sequence) if sequence else None
    wanted = None if no_catalogue else LIKE if next_like else FINISH
    run = LogEvaluation(settings, split, beside, catalogue=wanted, sequence=model, record=python is not None)
    with open_log(file) as source, progressing(source, "evaluated") as lines:
        run.run(read_log(lines))
    result = run.result(draws, _ask(python, run) if python else NO_ANSWER)
    write_result(result, report, as_json, page=html_report, data=to_json, text=text_report)
    failed = failures(rules, result) if rules else []
    for sentence in failed:
        echo_err(sentence)
    raise typer.Exit(1 if failed else 0)


def _beside(people: Path | None, warm: Path | None) -> "dict[str, Model]":
    """The models that know more than the log, each a row of its own; the standard run stays as it is."""
    from streams.logs.people import read_histories, read_user_features
    from streams.operations.evaluated_models import WITH_HISTORIES, WITH_USER_FEATURES, WithHistories, WithUserFeatures

    found: dict[str, Model] = {}
    if people:
        found[WITH_USER_FEATURES] = WithUserFeatures(read_user_features(people))
    if warm:
        found[WITH_HISTORIES] = WithHistories(read_histories(warm))
    return found


def _interpreter(environment: Path | None) -> Path:
    """The Python of the baselines, looked for before the work begins."""
    from streams.operations.baselines.run import ENVIRONMENT, interpreter

    return interpreter(environment or ENVIRONMENT)


def _ask(python: Path, run: "LogEvaluation") -> "Answer":
    from streams.operations.baselines.run import ask

    return ask(python, *run.asked())


def _rules(gate: Path | None) -> "tuple[Rule, ...]":
    """The gate, read before the work begins: a mistake in it is told at once."""
    if gate is None:
        return ()
    from ranker.evaluation.gate import GateError, read_gate

    try:
        return read_gate(gate.read_text("utf-8"))
    except (GateError, OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{gate}: {error}") from error
