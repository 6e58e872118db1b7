"""How an error ends a command: a line of cause, a line of remedy, an exit status."""

import errno
import os
import traceback

import typer

from streams.cli.options import plain
from streams.errors import OperatorError

FULL = (errno.ENOSPC, errno.EDQUOT)


def print_error(error: Exception) -> int:
    """Write cause and remedy to stderr; returns the exit status."""
    if os.environ.get("FRESHET_DEBUG"):
        traceback.print_exception(error)
    cause, remedy, exit_code = parts_of(error)
    typer.echo(plain(f"freshet: {cause}"), err=True)
    if remedy:
        typer.echo(plain(f"  -> {remedy}"), err=True)
    return exit_code


def parts_of(error: Exception) -> tuple[str, str, int]:
    """Cause, remedy and exit status of an error."""
    from encoders.base import ModelError  # heavy, and only an error needs them
    from ranker.retrieval.index import IndexUnavailable
    from schemas.settings.load import SettingsError

    match error:
        case OperatorError():
            return error.cause, error.remedy, error.exit_code
        case SettingsError():
            return str(error), "`freshet config show` lists every setting with its source, and marks what is wrong.", 2
        case ModelError():
            return str(error), "", 2
        case IndexUnavailable():
            return f"{error}.", "Check that Qdrant runs at FRESHET_QDRANT_URL, or unset it to do without.", 1
        case OSError() if error.errno in FULL:
            where = f"{error.filename}: " if error.filename else ""
            return (
                f"{where}{error.strerror}.",
                "Make room there, or name other folders: --data-dir, FRESHET_CACHE_DIR.",
                1,
            )
        case OSError() if error.filename:
            remedy = "Correct the path or its rights; --data-dir and FRESHET_CACHE_DIR name other folders."
            return f"{error.filename}: {error.strerror}.", remedy, 1
        case _:
            message = " ".join(str(error).split()) or "no message"
            return f"{type(error).__name__}: {message}", "Set FRESHET_DEBUG=1 to see where it happened.", 1
