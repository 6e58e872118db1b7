"""`freshet dlq`: what could not be used and why, and publishing it again.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.messages.dead_letters import Reason
from streams.cli.help import WholeSentences
from streams.cli.options import Json, configured, echo_err, print_columns, wait_for_broker, write_json

if TYPE_CHECKING:
    from schemas.settings.model import Settings
    from streams.dead_letters.store import Replayed, StoredDeadLetter

app = typer.Typer(cls=WholeSentences, help="Look at dead letters, and send them again.", no_args_is_help=True)
SHOWN_BYTES = 300  # of a key or value


@app.command()
@configured
def ls(settings: "Settings", as_json: Json = False) -> None:
    """Count the dead letters by reason and topic."""
    from streams.dead_letters.store import groups, stored_dead_letters

    wait_for_broker(settings)
    found = groups(stored_dead_letters(settings))
    if as_json:
        rows = [{"reason": reason, "topic": topic} | asdict(group) for (reason, topic), group in found.items()]
        total = sum(group.count for group in found.values())
        former_keys = {"letters": total, "heaps": rows}  # kept for one release
        write_json({"dead_letters": total, "groups": rows} | former_keys)
        return
    if not found:
        echo_err("no dead letters")
        return
    lines = [("reason", "topic", "dead letters", "oldest", "newest", "most attempts")]
    for (reason, topic), group in found.items():
        times = (_when(group.oldest_ms), _when(group.newest_ms))
        lines.append((readable(reason), readable(topic), str(group.count), *times, str(group.most_attempts)))
    print_columns(lines)


@app.command()
@configured
def show(
    settings: "Settings",
    reason: Annotated[Reason | None, typer.Option(metavar="REASON", help="Only these.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 20,
    as_json: Json = False,
) -> None:
    """Print the newest dead letters, oldest first: where each came from, the reason, and how its value begins."""
    from streams.dead_letters.store import newest, stored_dead_letters

    wait_for_broker(settings)
    for dead_letter in newest(stored_dead_letters(settings, reason.value if reason else None), limit):
        if as_json:
            write_json(_as_json(dead_letter))
        else:
            _show(dead_letter)


@app.command()
@configured
def replay(
    settings: "Settings",
    reason: Annotated[
        Reason,
        typer.Option(metavar="REASON", help="Which ones: decode, schema, range …; `freshet dlq ls` has them."),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report what would be sent, and send nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Send the dead letters of a reason to their topics again, each once.

    One that still cannot be used becomes a dead letter again, with one attempt more. One that was cut is left out.
    """
    from streams.dead_letters import store

    wait_for_broker(settings)
    done = store.replay(settings, reason.value, dry_run)
    if as_json:
        write_json({"sent": dict(done.sent), "left_out": dict(done.left_out), "dry_run": dry_run})
    else:
        _print_replayed(done, dry_run)


def _print_replayed(done: "Replayed", dry_run: bool) -> None:
    for topic, count in sorted(done.sent.items()):
        typer.echo(f"{topic}: {count} {'would be sent' if dry_run else 'sent'} again")
    for why, count in sorted(done.left_out.items()):
        echo_err(f"{count} left out: {why}")
    if not done.sent and not done.left_out:
        echo_err("no dead letter of this reason is left to be sent")


def _as_json(one: "StoredDeadLetter") -> dict[str, object]:
    return {
        "reason": one.reason,
        "detail": one.detail,
        "topic": one.topic,
        "place": one.place,
        "written_ms": one.written_ms,
        "attempts": one.attempts,
        "key": None if one.key is None else readable(one.key),
        "value": readable(one.value),
        "bytes": len(one.value),
    }


def _show(one: "StoredDeadLetter") -> None:
    attempt = f", attempt {one.attempts}" if one.attempts > 1 else ""
    typer.echo(f"{_when(one.written_ms)} {readable(one.reason)} {readable(one.topic)}{one.place}{attempt}")
    typer.echo(f"  {readable(one.detail)}")
    key = "no key" if one.key is None else f"key {readable(one.key)}"
    typer.echo(f"  {key}, {len(one.value)} bytes: {readable(one.value)}")


def readable(text_or_bytes: bytes | str) -> str:
    r"""What somebody else wrote, cut and without anything that a terminal would obey.

    >>> readable(b"\x1b[2Jgone \xff")
    '\\x1b[2Jgone \\xff'
    """
    begin = text_or_bytes[:SHOWN_BYTES]
    text = begin.decode("utf-8", "backslashreplace") if isinstance(begin, bytes) else begin
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return plain + ("…" if len(text_or_bytes) > SHOWN_BYTES else "")


def _when(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S}Z"
