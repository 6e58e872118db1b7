"""`freshet record`: a live system's topics into one log.

What is heavy is imported when the command runs, so that `freshet --help` is quick.
"""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from streams.cli.log_files import progress_bar
from streams.cli.options import Json, configured, echo_err, treat_sigterm_as_ctrl_c, wait_for_broker, write_json

if TYPE_CHECKING:
    from schemas.settings.model import Settings
    from streams.logs.record import Progress, Recorder

STDOUT = Path("-")
INTERRUPTED = 130  # as a shell has it after Ctrl-C; recording again goes on from there


@configured
def record(
    settings: "Settings",
    file: Annotated[
        Path, typer.Argument(dir_okay=False, allow_dash=True, help="Log to append to; -: standard output.")
    ],
    follow: Annotated[bool, typer.Option("--follow", help="Go on until Ctrl-C, some seconds behind.")] = False,
    as_json: Json = False,
) -> None:
    """Record uploads, feedback and erasures in the order of a replay; a log that is there already is continued."""
    from streams.logs.record import recorder
    from streams.logs.recording import Recording, appending

    treat_sigterm_as_ctrl_c()
    wait_for_broker(settings)
    with ExitStack() as opened:
        log, out = opened.enter_context(appending(file)) if file != STDOUT else (Recording(None), sys.stdout.buffer)
        running = opened.enter_context(recorder(settings, log, echo_err))
        ended = _run(running, out, follow)
    _show(running, file, as_json)
    raise typer.Exit(0 if ended or follow else INTERRUPTED)


def _run(running: "Recorder", out: BinaryIO, follow: bool) -> bool:
    """Record, with a bar on stderr; whether it came to the ends."""
    with progress_bar() as bar:
        task = bar.add_task("recorded", total=None)

        def advance(progress: "Progress") -> None:
            bar.update(task, completed=progress.taken, total=progress.of, description=f"{progress.written} lines")

        try:
            running.run(out, follow, advance)
        except KeyboardInterrupt:
            return False
    return True


def _show(running: "Recorder", file: Path, as_json: bool) -> None:
    left_out, waiting = dict(sorted(running.order.left_out.items())), running.order.not_sent_on
    if as_json and file != STDOUT:
        write_json({"lines": running.written, "left_out": left_out, "not_sent_on": waiting})
        return
    echo_err(f"{file}: {running.written} lines")
    for reason, count in left_out.items():
        echo_err(f"left out: {count} {reason}")
    if waiting:
        echo_err(f"{waiting} records lie on a wrong partition, and no agent has sent them on yet; record again later")
