"""The commands that train: what is ranked by, and how text, picture and sound become one vector.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.log_files import LogFile, progressing, readable_file, writable_file
from streams.cli.options import (
    Json,
    configured,
    echo_err,
    moment,
    print_figures,
    treat_sigterm_as_ctrl_c,
    write_json,
)
from streams.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.settings.model import Settings
    from streams.operations.train_fusion import Outcome

HOUR_S = 3600.0
Until = Annotated[
    int | None, typer.Option(parser=moment, metavar="TIME", help="Learn from what is before: ISO 8601 or ms.")
]
ROLLOUT = (
    "to use it, give every worker the file, restart the encoding agents and the indexer where a Qdrant is used, "
    "then restart the ranking agents"
)


@configured
def train(
    settings: "Settings",
    file: LogFile,
    out: Annotated[Path, typer.Option(callback=writable_file, help="Write the parameters here.")] = Path(
        "parameters.npz"
    ),
    until: Until = None,
    as_json: Json = False,
) -> None:
    """Learn from a recorded log what people finish, like and skip; FRESHET_PARAMETERS=file ranks slates by it."""
    from streams.logs.jsonl import read_log
    from streams.logs.source import open_log
    from streams.operations.train_ranking import learn_from

    with open_log(file) as source, progressing(source, "learned") as lines:
        learned = learn_from(settings, read_log(lines), until)
    version = learned.write(out)
    figures = {**learned.figures(), "version": version, "file": str(out)}
    if as_json:
        write_json(figures)
    else:
        print_figures(figures)


@configured
def train_sequence(
    settings: "Settings",
    file: LogFile,
    out: Annotated[
        Path, typer.Option(callback=writable_file, help="Write the model here, and its card beside it.")
    ] = Path("sequence.onnx"),
    until: Until = None,
    no_content: Annotated[
        bool, typer.Option("--no-content", help="Know videos by their ids alone: new ones are then no candidates.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Learn from a recorded log what people take to next; FRESHET_SEQUENCE=file makes it a source of candidates."""
    from streams.logs.jsonl import read_log
    from streams.logs.replay import replay_embedder
    from streams.logs.source import open_log
    from streams.operations import train_sequence as operation

    with open_log(file) as source, progressing(source, "read") as lines:
        watched = operation.read_watched(read_log(lines), until)
    embedder = None if no_content else replay_embedder(settings)
    card = operation.train_sequence(settings, watched, out, embedder, echo_err)
    if as_json:
        write_json(card)
    else:
        print_figures({**card, "file": str(out)})


@configured
def train_fusion(
    settings: "Settings",
    log: Annotated[
        Path | None,
        typer.Argument(callback=readable_file, help="A JSONL log of what people did; none: what Kafka holds."),
    ] = None,
    every: Annotated[float | None, typer.Option(min=0.001, help="Learn again every so many hours.")] = None,
    as_json: Json = False,
) -> None:
    """Learn from what people watched how text, picture and sound become one vector (FRESHET_FUSION=attention)."""
    if every is None:
        if _train_once(settings, log, as_json).replaced:
            echo_err(ROLLOUT)
        return
    treat_sigterm_as_ctrl_c()
    try:
        train_repeatedly(lambda: _train_once(settings, log, as_json), every)
    except KeyboardInterrupt:
        echo_err("stopped")


def train_repeatedly(train: "Callable[[], Outcome]", every: float) -> None:
    """Train every so many hours, until an error that does not pass by itself, such as a ModelError.

    A log that is still too short, or a broker that is away, ends only the round.
    """
    from streams.kafka.client import KafkaException

    while True:
        began = time.monotonic()
        try:
            train()
        except OperatorError as error:
            echo_err(str(error))
        except (KafkaException, TimeoutError) as error:
            echo_err(f"reading Kafka failed: {error!r}")
        echo_err(f"the next round begins {every:g} h after this one began")
        time.sleep(max(0.0, began + every * HOUR_S - time.monotonic()))


def _train_once(settings: "Settings", log: Path | None, as_json: bool) -> "Outcome":
    """Train once, and print what came of it; nothing of it stays in memory."""
    from streams.logs.jsonl import feedback_in
    from streams.operations import train_fusion as operation
    from streams.operations.snapshot import read_stored_library
    from streams.operations.watch_history import read_watched

    library = read_stored_library(settings, echo_err)
    if log is None:
        watches = read_watched(settings, library.videos, echo_err)
    else:
        watches = [watched for event in feedback_in(log) if (watched := operation.to_watched(event))]
    outcome = operation.train_fusion(settings, library, watches, echo_err)
    echo_err(str(outcome))
    if as_json:
        write_json(outcome._asdict())
    return outcome
