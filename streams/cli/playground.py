"""`freshet playground`: a page to play with, until Ctrl-C.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import configured, treat_sigterm_as_ctrl_c

if TYPE_CHECKING:
    from schemas.settings.model import Settings


@configured
def playground(
    settings: "Settings",
    clips: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Folder of videos and sounds to play; none: some made here."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave its data and topics when it ends.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Do what a person does over HTTP, say whether it works, and stop.")
    ] = False,
) -> None:
    """Run everything with made-up videos and people, and a page in the browser, until Ctrl-C.

    Starts Kafka where none answers; topics and data are its own, and are deleted in the end.
    """
    from streams.demo.playground.run import run
    from streams.demo.screen import Screen

    treat_sigterm_as_ctrl_c()
    screen = Screen()
    try:
        holds = run(settings, clips, keep, check, screen)
    except KeyboardInterrupt:
        screen.report("all stopped")
        return
    raise typer.Exit(0 if holds else 1)
