"""What every command shares: the common options, the settings made from them, and how output is written."""

import inspect
import os
import select
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TextIO

import typer

if TYPE_CHECKING:
    from schemas.settings.load import Loaded
    from schemas.settings.model import Settings

    Load = Callable[[Mapping[str, object]], Loaded]

MS = 1000
NO_WORKER = "no worker of this prefix runs on this machine"
SHORT_MS = 10_000_000_000  # a number below is no time in ms of this century


def _common(flag: str, text: str) -> Any:  # typer itself types an option as Any
    variable = "FRESHET_" + flag.removeprefix("--").replace("-", "_").upper()
    return typer.Option(flag, help=f"{text} (environment: {variable})", show_default=False)


COMMON = {
    "bootstrap": Annotated[str | None, _common("--bootstrap", "Kafka addresses, host:port")],
    "qdrant_url": Annotated[str | None, _common("--qdrant-url", "Qdrant server; none: the embedded index")],
    "prefix": Annotated[str | None, _common("--prefix", "Prefix of topic names")],
    "data_dir": Annotated[Path | None, _common("--data-dir", "Broker log and run files")],
}
HERE = Path()  # relative, for the current folder may have been removed
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def with_loaded(command: Callable[..., None], load: "Load | None" = None) -> Callable[..., None]:
    """Give a command the common options; its first parameter gets the settings with their sources.

    load  makes them of the flags; by default one that raises where something is wrong
    """
    own = list(inspect.signature(command).parameters.values())[1:]

    @wraps(command)
    def with_options(**arguments: Any) -> None:  # whatever the command declares
        flags = {name: arguments.pop(name) for name in COMMON}
        command((load or load_settings)(flags), **arguments)

    keyword = inspect.Parameter.KEYWORD_ONLY
    common = [inspect.Parameter(name, keyword, default=None, annotation=kind) for name, kind in COMMON.items()]
    parameters = [*(parameter.replace(kind=keyword) for parameter in own), *common]
    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer reads it
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return with_options


def configured(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the common options; its first parameter gets the settings that they make.

    The first parameter's annotation may be a string, so that `--help` need not import the settings:

        @app.command()
        @configured
        def replay(settings: "Settings", file: Path, as_json: Json = False) -> None: ...
    """

    @wraps(command)
    def with_settings(loaded: "Loaded", **arguments: object) -> None:
        command(loaded.settings, **arguments)

    return with_loaded(with_settings)


def load_settings(flags: Mapping[str, object]) -> "Loaded":
    """Settings from flags, this process's environment and the settings file."""
    from schemas.settings.load import load, settings_file  # pydantic is slow to import, and `--help` needs none of it

    return _with_notices(load(flags, os.environ, settings_file(os.environ, HERE)))


def inspect_settings(flags: Mapping[str, object]) -> "Loaded":
    """The same, with what is wrong among the result instead of an error."""
    from schemas.settings.load import inspect, settings_file

    return _with_notices(inspect(flags, os.environ, settings_file(os.environ, HERE)))


def _with_notices(loaded: "Loaded") -> "Loaded":
    for notice in loaded.notices:
        echo_err(notice)
    return loaded


def wait_for_broker(settings: "Settings") -> None:
    """Return when Kafka answers; what is waited for is on stderr, and the time limit is an error with its remedy."""
    from streams.kafka.probe import wait_for_authenticated_broker  # its clients are heavy, and `--help` needs none

    wait_for_authenticated_broker(settings, echo_err)


def plain(text: str) -> str:
    r"""A text that others may have written, without what a terminal would obey: escapes, marks of direction.

    >>> plain("Cats \x1b]0;gone\x07 \u202egnp.exe")
    'Cats \\x1b]0;gone\\x07 \\u202egnp.exe'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode("ascii") for c in text)


def say(line: str) -> None:
    """Write a line for people to stdout."""
    typer.echo(plain(line))


def echo_err(line: str) -> None:
    """Write a line for people to stderr, so that stdout carries only data; what nobody reads is not written."""
    try:
        typer.echo(plain(line), err=True)
    except BrokenPipeError:
        _write_no_more(sys.stderr)
    except OSError:
        return  # a full disk, or a closed stream: there is nobody to tell


def echo_out(line: str) -> None:
    """Write a line of a command that goes on where nobody reads it: `freshet up | head` ends head alone."""
    try:
        say(line)
    except BrokenPipeError:
        _write_no_more(sys.stdout)


def _write_no_more(stream: TextIO) -> None:
    """Let a stream lead nowhere, so that neither the next line nor the flush at the end fails."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def is_reader_gone() -> bool:
    """Whether stdout is a pipe without a reader: a write would tell, but only once there is something to write."""
    try:
        stdout = select.poll()
        stdout.register(sys.stdout.fileno(), 0)
        return any(event & select.POLLERR for _, event in stdout.poll(0))
    except (OSError, ValueError, AttributeError):  # no file
        return False


def write_json(value: object) -> None:
    """Write one JSON value as one line."""
    import orjson  # only where JSON is asked for

    typer.echo(orjson.dumps(value))


def print_columns(rows: Sequence[Sequence[str]]) -> None:
    """Rows of text below each other in columns, never cut or folded: scripts and narrow terminals get all of it."""
    shown = [[*map(plain, row)] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        typer.echo("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def print_figures(figures: Mapping[str, object]) -> None:
    """One figure a line, counts by name on one line."""
    for name, value in figures.items():
        text = ", ".join(f"{count} {key}" for key, count in value.items()) if isinstance(value, dict) else value
        typer.echo(f"{name:<15} {text}")


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


def utc(at_ms: int) -> str:
    """Unix time in ms as people read it.

    >>> utc(1_650_812_741_000)
    '2022-04-24 15:05:41 UTC'
    """
    return datetime.fromtimestamp(at_ms / MS, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def treat_sigterm_as_ctrl_c() -> None:
    """Make SIGTERM end a command the way Ctrl-C does, in order; Ctrl-C too, where the starter had it ignored.

    So does SIGHUP, which says that the terminal was closed, unless the command was started by nohup.
    """

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, interrupt)
