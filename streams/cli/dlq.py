"""`freshet dlq`: what could not be used and why, and sending it again."""

from typing import TYPE_CHECKING, Annotated

import typer

from schemas.messages.dead_letters import Reason
from streams.cli.options import Json, configured, echo_err, write_json

if TYPE_CHECKING:
    from schemas.settings.model import Settings
    from streams.dead_letters.store import Letter, Replayed

app = typer.Typer(help="Look at dead letters, and send them again.", no_args_is_help=True)
SHOWN_BYTES = 300  # of a key or value


@app.command()
@configured
def ls(settings: "Settings", as_json: Json = False) -> None:
    """Count the dead letters by reason and topic."""
    from streams.dead_letters.store import groups, letters

    found = groups(letters(settings))
    rows = [
        {
            "reason": reason,
            "topic": topic,
            "count": heap.count,
            "oldest_ms": heap.oldest_ms,
            "newest_ms": heap.newest_ms,
            "most_attempts": heap.most_attempts,
        }
        for (reason, topic), heap in found.items()
    ]
    if as_json:
        write_json({"letters": sum(heap.count for heap in found.values()), "heaps": rows})
        return
    if not found:
        echo_err("no dead letters")
        return
    lines = [("reason", "topic", "letters", "oldest", "newest", "most attempts")]
    for (reason, topic), heap in found.items():
        times = (_when(heap.oldest_ms), _when(heap.newest_ms))
        lines.append((readable(reason), readable(topic), str(heap.count), *times, str(heap.most_attempts)))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        typer.echo("  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())


@app.command()
@configured
def show(
    settings: "Settings",
    reason: Annotated[Reason | None, typer.Option(metavar="REASON", help="Only these.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 20,
    as_json: Json = False,
) -> None:
    """Print the newest dead letters, oldest first: where each came from, why it is dead, and how it begins."""
    from streams.dead_letters.store import letters, newest

    for letter in newest(letters(settings, reason.value if reason else None), limit):
        if as_json:
            write_json(_as_json(letter))
        else:
            _show(letter)


@app.command()
@configured
def replay(
    settings: "Settings",
    reason: Annotated[
        Reason,
        typer.Option(metavar="REASON", help="Which letters: decode, schema, range …; `freshet dlq ls` has them."),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report what would be sent, and send nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Send the letters of a reason to their topics again, each letter once.

    One that is still bad comes back with one attempt more. One that was cut is left out, since it is not whole.
    """
    from streams.dead_letters.store import replay as send_again

    done = send_again(settings, reason.value, dry_run)
    if as_json:
        write_json({"sent": dict(done.sent), "left_out": dict(done.left_out), "dry_run": dry_run})
    else:
        _tell_replayed(done, dry_run)


def _tell_replayed(done: "Replayed", dry_run: bool) -> None:
    for topic, count in sorted(done.sent.items()):
        typer.echo(f"{topic}: {count} {'would be sent' if dry_run else 'sent'} again")
    for why, count in sorted(done.left_out.items()):
        echo_err(f"{count} left out: {why}")
    if not done.sent and not done.left_out:
        echo_err("no letters of this reason that were not sent again already")


def _as_json(letter: "Letter") -> dict[str, object]:
    return {
        "reason": letter.reason,
        "detail": letter.detail,
        "topic": letter.topic,
        "place": letter.place,
        "written_ms": letter.written_ms,
        "attempts": letter.attempts,
        "key": None if letter.key is None else readable(letter.key),
        "value": readable(letter.value),
        "bytes": len(letter.value),
    }


def _show(letter: "Letter") -> None:
    again = f", attempt {letter.attempts}" if letter.attempts > 1 else ""
    typer.echo(f"{_when(letter.written_ms)} {readable(letter.reason)} {readable(letter.topic)}{letter.place}{again}")
    typer.echo(f"  {readable(letter.detail)}")
    key = "no key" if letter.key is None else f"key {readable(letter.key)}"
    typer.echo(f"  {key}, {len(letter.value)} bytes: {readable(letter.value)}")


def readable(said: bytes | str) -> str:
    r"""What somebody else wrote, cut and without anything that a terminal would obey.

    >>> readable(b"\x1b[2Jgone \xff")
    '\\x1b[2Jgone \\xff'
    """
    text = said[:SHOWN_BYTES].decode("utf-8", "backslashreplace") if isinstance(said, bytes) else said[:SHOWN_BYTES]
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return plain + ("…" if len(said) > SHOWN_BYTES else "")


def _when(ms: int) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S}Z"
