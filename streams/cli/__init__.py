"""The command line. A command module is one import and one `add_typer` or `command` line here.

It is a leaf: nothing imports it. Commands import what is heavy when they run, so that `freshet --help` is quick.
"""

from streams.cli.importing import ended_by_ctrl_c

with ended_by_ctrl_c():
    import logging
    import os
    import sys
    from collections.abc import Sequence
    from importlib import metadata
    from typing import Annotated, NoReturn

    import typer

    from streams.cli import (
        api,
        backup,
        catalogue,
        compare,
        contract,
        convert,
        demo,
        dlq,
        doctor,
        evaluate,
        explain,
        forget,
        health,
        index,
        logs,
        playground,
        record,
        replay,
        run,
        setup,
        status,
        topics,
        train,
        watch,
    )
    from streams.cli.errors import print_error
    from streams.cli.help import ByPurpose

app = typer.Typer(
    name="freshet",
    cls=ByPurpose,
    help="Recommends videos to people while they watch: events in on Kafka, fresh slates out on Kafka.",
    epilog="Settings: flags, then FRESHET_* variables, freshet.toml, defaults; see `freshet config show`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(metadata.version("freshet"))
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and end.")
    ] = False,
) -> None:
    """What stands before a command."""


app.command()(setup.broker)
app.command()(demo.demo)
app.command()(playground.playground)
app.add_typer(topics.app, name="topics")
app.add_typer(setup.config, name="config")
app.add_typer(contract.app, name="contract")
app.add_typer(dlq.app, name="dlq")
app.add_typer(convert.app, name="convert")
app.command()(setup.export)
app.add_typer(setup.models, name="models")
app.command()(run.up)
app.command()(run.worker)
app.command()(api.api)
app.command()(health.health)
app.command()(status.status)
app.command()(doctor.doctor)
app.command()(logs.validate)
app.command()(logs.send)
app.command()(watch.watch)
app.command()(record.record)
app.command()(catalogue.search)
app.command()(catalogue.similar)
app.command()(catalogue.reuploads)
app.command()(catalogue.playlist)
app.command()(catalogue.review)
app.add_typer(index.app, name="index")
app.command()(index.rebuild)
app.command()(index.backfill)
app.command()(explain.explain)
app.command()(evaluate.evaluate)
app.command()(compare.compare)
app.command("train")(train.train)
app.command("train-fusion")(train.train_fusion)
app.command("train-sequence")(train.train_sequence)
app.command()(replay.replay)
app.command()(replay.digest)
app.command()(forget.forget)
app.command()(backup.backup)
app.command()(backup.restore)


READER_GONE = 141  # what a shell shows for `… | head`: 128 and SIGPIPE


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: an error is a line of cause and one of remedy, a traceback only with FRESHET_DEBUG."""
    _open_missing_streams()
    code = _status(arguments)
    _flush()
    sys.exit(code)


def _status(arguments: Sequence[str] | None) -> str | int | None:
    if not os.environ.get("FRESHET_DEBUG"):
        logging.getLogger("kafka").setLevel(logging.CRITICAL)  # we report its attempts ourselves, in one line each
    try:
        app(args=list(arguments) if arguments is not None else None, prog_name="freshet")
    except SystemExit as end:  # typer's way to end
        return READER_GONE if isinstance(end.__context__, BrokenPipeError) else end.code
    except BrokenPipeError:
        return READER_GONE
    except Exception as error:  # every error ends here, and each is printed
        return print_error(error)
    return 0


def _open_missing_streams() -> None:
    """Open what the process was started without, stdin, stdout or stderr: else its first files get their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _flush() -> None:
    """Write out what is left, and drop what nobody can take: Python would complain of it at the end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
