"""The command that learns how text, picture and sound become one vector, once or again and again."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.commands import configured, tell, treat_sigterm_as_ctrl_c

if TYPE_CHECKING:
    from schemas.settings import Settings
    from streams.fusing import Outcome

HOUR_S = 3600.0


@configured
def train_fusion(
    settings: "Settings",
    log: Annotated[Path | None, typer.Argument(help="A JSONL log of what people did; none: what Kafka holds.")] = None,
    every: Annotated[float | None, typer.Option(min=0.001, help="Learn again every so many hours.")] = None,
) -> None:
    """Learn from what people watched how text, picture and sound become one vector (FRESHET_FUSION=attention)."""
    from streams.trouble import Trouble

    if every is None:
        learned = _round(settings, log)
        if learned.replaced:
            tell("`freshet rebuild` where a Qdrant is used, then start the workers anew: they take it at their start")
        return
    treat_sigterm_as_ctrl_c()
    try:
        while True:
            began = time.monotonic()
            try:
                _round(settings, log)
            except Trouble as trouble:  # a log that is too short yet, or a broker that is away
                tell(str(trouble))
            tell(f"the next round begins {every:g} h after this one began")
            time.sleep(max(0.0, began + every * HOUR_S - time.monotonic()))
    except KeyboardInterrupt:
        tell("stopped")


def _round(settings: "Settings", log: Path | None) -> "Outcome":
    """Learn once; nothing of it stays in memory."""
    from schemas.topics import FEEDBACK
    from streams.commands_content import messages
    from streams.fusing import learn_fusion, watch_of
    from streams.gallery import read_gallery
    from streams.watched import read_watched

    gallery = read_gallery(settings, tell)
    if log is None:
        watches = read_watched(settings, gallery.videos, tell)
    else:
        watches = [watched for event in messages(log, FEEDBACK) if (watched := watch_of(event))]
    learned = learn_fusion(settings, gallery, watches, tell)
    tell(str(learned))
    return learned
