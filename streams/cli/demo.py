"""`freshet demo`: the whole of Freshet at once, on made-up or recorded events.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import Json, treat_sigterm_as_ctrl_c, with_loaded, write_json

if TYPE_CHECKING:
    from schemas.settings.load import Loaded
    from schemas.settings.model import Settings
    from streams.demo.log import Recorded

INTERRUPTED = 130  # what a shell returns after Ctrl-C


@with_loaded
def demo(
    loaded: "Loaded",
    log: Annotated[
        Path | None,
        typer.Option(exists=True, help="JSONL log, or the folder of KuaiRand or MovieLens; none: made-up events."),
    ] = None,
    clips: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Folder of videos and sounds to encode; none: some made here."),
    ] = None,
    events: Annotated[int | None, typer.Option(min=1, help="So many events; exposures are kept whole.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the published log and the broker's data.")] = False,
    as_json: Json = False,
) -> None:
    """Play a log through broker, agents and back, show a slate change, measure, compare with a replay, and stop.

    Runs a broker of its own with a fresh folder; with --bootstrap it uses yours, under topics of its own.
    """
    from streams.demo.clips import put_clips
    from streams.demo.screen import Screen
    from streams.demo.stage import run_folder, stage
    from streams.demo.story import closing_words, play

    treat_sigterm_as_ctrl_c()
    screen, began = Screen(as_json), time.monotonic()
    try:
        with run_folder(loaded.settings.data_dir, keep) as folder:
            screen.report(f"reading {log or 'a made-up log'}")
            recorded = _log(loaded.settings, log, events, folder)
            settings, own_broker = _isolated(loaded, folder)
            shown = put_clips(clips, Path(settings.media_root))
            with stage(settings, folder, own_broker, keep, screen) as ready:
                report = play(ready, recorded, shown)
                settings = ready.settings
            seconds = time.monotonic() - began
            for line in closing_words(settings, folder, own_broker, keep, seconds):
                screen.report(line)
            if as_json:
                kept = str(folder) if keep else None
                write_json({**report.as_json(), "seconds": round(seconds, 1), "folder": kept})
    except KeyboardInterrupt:
        screen.report("interrupted; all stopped")
        raise typer.Exit(INTERRUPTED) from None
    raise typer.Exit(0 if all(check.holds for check in report.checks) else 1)


def _log(settings: "Settings", log: Path | None, events: int | None, folder: Path) -> "Recorded":
    from streams.demo.log import recorded, simulated

    if log is None:
        return simulated(settings.seed, events, time.time_ns() // 1_000_000)
    return recorded(log, events, folder)


def _isolated(loaded: "Loaded", folder: Path) -> "tuple[Settings, bool]":
    """Settings that keep the demo apart from all other data, and whether it runs a broker of its own."""
    from streams.kafka.security import without_security

    settings, sources = loaded.settings, loaded.sources
    own_broker = sources["bootstrap"] != "flag"
    name = f"demo-{folder.name.removeprefix('run-')}."
    changes: dict[str, object] = {"data_dir": folder, "media_root": str(folder / "media")}
    if own_broker:
        settings = without_security(settings)
    else:
        changes["prefix"] = settings.prefix + name
    if settings.qdrant_url:
        changes["qdrant_collection"] = settings.qdrant_collection + "-" + name.rstrip(".")
    return settings.model_copy(update=changes), own_broker
