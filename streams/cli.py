"""The command line. A command module is one import and one `add_typer` or `command` line here.

Commands import what they need when they run, so that `freshet --help` is quick.
"""

import logging
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import typer

from streams import (
    commands_content,
    commands_contract,
    commands_demo,
    commands_dlq,
    commands_forget,
    commands_fusion,
    commands_health,
    commands_logs,
    commands_replay,
    commands_run,
    commands_setup,
    commands_topics,
    convert,
)
from streams.trouble import Trouble

app = typer.Typer(
    name="freshet",
    help="Recommends videos to people while they watch: events in on Kafka, fresh slates out on Kafka.",
    epilog="Settings: flags, then FRESHET_* variables, freshet.toml, defaults; see `freshet config show`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: drawing it with rich takes longer than the rest of `--help` together
)
app.command()(commands_setup.broker)
app.command()(commands_demo.demo)
app.add_typer(commands_topics.app, name="topics")
app.add_typer(commands_setup.config, name="config")
app.add_typer(commands_contract.app, name="contract")
app.add_typer(commands_dlq.app, name="dlq")
app.add_typer(convert.app, name="convert")
app.command()(commands_setup.export)
app.command()(commands_run.up)
app.command()(commands_run.worker)
app.command()(commands_health.health)
app.command()(commands_logs.validate)
app.command()(commands_logs.send)
app.command()(commands_logs.watch)
app.command()(commands_content.search)
app.command()(commands_content.similar)
app.command()(commands_content.reuploads)
app.command()(commands_content.playlist)
app.command()(commands_content.review)
app.command()(commands_content.rebuild)
app.command()(commands_content.backfill)
app.command("train-fusion")(commands_fusion.train_fusion)
app.command()(commands_replay.replay)
app.command()(commands_replay.digest)
app.command()(commands_forget.forget)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: a fault is one line of cause and one of remedy, never a traceback first."""
    if not os.environ.get("FRESHET_DEBUG"):
        logging.getLogger("kafka").setLevel(logging.CRITICAL)  # its tries are told by us, in one line each
    try:
        app(args=list(arguments) if arguments is not None else None, prog_name="freshet")
    except Exception as error:  # every error ends here, and each is told
        sys.exit(report(error))
    sys.exit(0)


def report(error: Exception) -> int:
    """Write cause and remedy to stderr; returns the exit status."""
    if os.environ.get("FRESHET_DEBUG"):
        traceback.print_exception(error)
    cause, remedy, code = explain(error)
    typer.echo(f"freshet: {cause}", err=True)
    if remedy:
        typer.echo(f"  -> {remedy}", err=True)
    return code


def explain(error: Exception) -> tuple[str, str, int]:
    """Cause, remedy and exit status of an error."""
    from encoders.base import ModelError
    from ranker.retrieval.index import IndexUnavailable
    from schemas.settings.load import SettingsError

    match error:
        case Trouble():
            return error.cause, error.remedy, error.code
        case SettingsError():
            return str(error), "`freshet config show` lists every setting with its source.", 2
        case ModelError():
            return str(error), "", 2
        case IndexUnavailable():
            return f"{error}.", "See that Qdrant runs at FRESHET_QDRANT_URL, or unset it to do without.", 1
        case OSError() if error.filename:
            return f"{error.filename}: {error.strerror}.", "Correct the path or its rights.", 1
        case _:
            what = " ".join(str(error).split()) or "no text"
            return f"{type(error).__name__}: {what}", "Set FRESHET_DEBUG=1 to see where it happened.", 1


if __name__ == "__main__":
    main()
