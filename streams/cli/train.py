"""The command that learns how text, picture and sound become one vector, once or again and again."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import configured, echo_err, treat_sigterm_as_ctrl_c

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.settings.model import Settings
    from streams.operations.train_fusion import Outcome

HOUR_S = 3600.0
ROLLOUT = (
    "to use it, give every worker the file, start the encoding agents anew, `freshet rebuild` where a Qdrant is used, "
    "then start the ranking agents anew"
)


@configured
def train_fusion(
    settings: "Settings",
    log: Annotated[Path | None, typer.Argument(help="A JSONL log of what people did; none: what Kafka holds.")] = None,
    every: Annotated[float | None, typer.Option(min=0.001, help="Learn again every so many hours.")] = None,
) -> None:
    """Learn from what people watched how text, picture and sound become one vector (FRESHET_FUSION=attention)."""
    if every is None:
        if _round(settings, log).replaced:
            echo_err(ROLLOUT)
        return
    treat_sigterm_as_ctrl_c()
    try:
        again(lambda: _round(settings, log), every)
    except KeyboardInterrupt:
        echo_err("stopped")


def again(learn: "Callable[[], Outcome]", every: float) -> None:
    """Learn every so many hours, until something is raised that time alone does not mend, such as a ModelError.

    A log that is too short yet, or a broker that is away or goes away, ends a round alone.
    """
    from confluent_kafka import KafkaException

    from streams.errors import OperatorError

    while True:
        began = time.monotonic()
        try:
            learn()
        except OperatorError as trouble:
            echo_err(str(trouble))
        except (KafkaException, TimeoutError) as error:
            echo_err(f"reading Kafka failed: {error!r}")
        echo_err(f"the next round begins {every:g} h after this one began")
        time.sleep(max(0.0, began + every * HOUR_S - time.monotonic()))


def _round(settings: "Settings", log: Path | None) -> "Outcome":
    """Learn once; nothing of it stays in memory."""
    from schemas.topics import FEEDBACK
    from streams.logs.jsonl import messages
    from streams.operations.snapshot import read_stored
    from streams.operations.train_fusion import learn_fusion, watch_of
    from streams.operations.watch_history import read_watched

    gallery = read_stored(settings, echo_err)
    if log is None:
        watches = read_watched(settings, gallery.videos, echo_err)
    else:
        watches = [watched for event in messages(log, FEEDBACK) if (watched := watch_of(event))]
    learned = learn_fusion(settings, gallery, watches, echo_err)
    echo_err(str(learned))
    return learned
