"""`freshet dlq`: what could not be used and why; exporting, sending again and discarding it.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.dlq_options import All, DryRun, choosing
from streams.cli.help import WholeSentences
from streams.cli.log_files import readable_file
from streams.cli.options import Json, configured, echo_err, plain, print_columns, wait_for_broker, write_json
from streams.errors import OperatorError

if TYPE_CHECKING:
    from schemas.settings.model import Settings
    from streams.dead_letters.store import Choice, StoredDeadLetter
    from streams.operations.dead_letters.handling import Replayed, Verdict

app = typer.Typer(
    cls=WholeSentences, help="Look at dead letters, send them again, and discard them.", no_args_is_help=True
)
SHOWN_BYTES = 300  # of a key or value
LEFT_OUT_SHOWN = 20
Lines = Annotated[
    Path | None,
    typer.Argument(callback=readable_file, help="Lines of `freshet dlq export`; -: standard input."),
]


@app.command()
@configured
@choosing
def ls(settings: "Settings", choice: "Choice", with_handled: All = False, as_json: Json = False) -> None:
    """Count the dead letters by reason and topic, without those that were discarded or sent again."""
    from streams.dead_letters.store import groups, stored_dead_letters

    wait_for_broker(settings)
    found = groups(stored_dead_letters(settings, choice, with_handled=with_handled))
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
@choosing
def show(
    settings: "Settings",
    choice: "Choice",
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 20,
    with_handled: All = False,
    as_json: Json = False,
) -> None:
    """Print the newest dead letters, oldest first: where each came from, the reason, and how its value begins."""
    from streams.dead_letters.store import newest, stored_dead_letters

    wait_for_broker(settings)
    for dead_letter in newest(stored_dead_letters(settings, choice, with_handled=with_handled), limit):
        if as_json:
            write_json(_as_json(dead_letter))
        else:
            _show(dead_letter)


@app.command()
@configured
@choosing
def export(settings: "Settings", choice: "Choice", with_handled: All = False) -> None:
    """Write dead letters in whole, one JSON object a line, to be corrected and sent again by `replay FILE`.

    `refusal` says why one cannot succeed as it is.
    """
    from streams.dead_letters.store import stored_dead_letters
    from streams.operations.dead_letters.exchange import exported
    from streams.operations.dead_letters.verdict import now_ms, why_not_again

    wait_for_broker(settings)
    for one in stored_dead_letters(settings, choice, with_handled=with_handled):
        write_json(exported(one, why_not_again(one, settings, now_ms())))


@app.command()
@configured
@choosing
def replay(
    settings: "Settings", choice: "Choice", file: Lines = None, dry_run: DryRun = False, as_json: Json = False
) -> None:
    """Send dead letters to their topics again, each once: those of a reason, or the corrected ones of a file.

    One that would be refused again, and one that was cut, is left out and named with the reason.
    """
    from streams.dead_letters.store import EVERY
    from streams.operations.dead_letters import handling

    if (file is None) == (choice == EVERY):
        remedy = "Give a file of `freshet dlq export`, or --reason, --topic, --agent, --from, --until."
        raise OperatorError("Either a file or options say which dead letters are sent again.", remedy, 2)
    wait_for_broker(settings)
    if file:
        with _lines_of(file) as lines:
            _print_verdicts(handling.replay_lines(settings, lines, dry_run), dry_run, as_json)
        return
    done = handling.replay(settings, choice, dry_run)
    if as_json:
        write_json({"sent": dict(done.sent), "left_out": dict(done.left_out), "dry_run": dry_run})
    else:
        _print_replayed(done, dry_run)


@app.command()
@configured
@choosing
def discard(
    settings: "Settings", choice: "Choice", file: Lines = None, dry_run: DryRun = False, as_json: Json = False
) -> None:
    """Mark dead letters as dealt with, so that lists and counts leave them out; they stay until they expire."""
    from streams.dead_letters.store import EVERY
    from streams.operations.dead_letters import handling

    if file is None and choice == EVERY:
        remedy = "Give --reason, --topic, --agent, --from, --until, or a file of `freshet dlq export`."
        raise OperatorError("Nothing says which dead letters are to be discarded.", remedy, 2)
    wait_for_broker(settings)
    if file:
        with _lines_of(file) as lines:
            choice = replace(choice, places=handling.places_in(lines))
    found = handling.discard(settings, choice, dry_run)
    if as_json:
        rows = [{"reason": reason, "topic": topic, "count": count} for (reason, topic), count in sorted(found.items())]
        write_json({"discarded": found.total(), "groups": rows, "dry_run": dry_run})
    else:
        _print_discarded(found, dry_run)


@contextmanager
def _lines_of(file: Path) -> Iterator[Iterator[bytes]]:
    from streams.logs.source import open_log

    with open_log(file) as source:
        yield source.lines()


def _print_verdicts(verdicts: "Iterator[Verdict]", dry_run: bool, as_json: bool) -> None:
    """One line for each that is refused, as JSON one for each; ends with status 1 where any is."""
    sent = refused = 0
    for one in verdicts:
        sent, refused = sent + (one.why is None), refused + (one.why is not None)
        if as_json:
            place = {"partition": one.place[0], "offset": one.place[1]} if one.place else {}
            verdict = "refused" if one.why else "would be sent" if dry_run else "sent"
            write_json({"line": one.line, **place, "verdict": verdict, "why": one.why})
        elif one.why:
            where = f" ([{one.place[0]}]@{one.place[1]})" if one.place else ""
            typer.echo(f"line {one.line}{where}: refused: {readable(one.why)}")
    if not as_json:
        typer.echo(f"{sent} {'would be sent' if dry_run else 'sent'} again, {refused} refused")
    raise typer.Exit(1 if refused else 0)


def _print_discarded(found: "Counter[tuple[str, str]]", dry_run: bool) -> None:
    for (reason, topic), count in sorted(found.items()):
        what = "would be discarded" if dry_run else "discarded"
        typer.echo(f"{readable(reason)} {readable(topic)}: {count} {what}")
    if not found:
        echo_err("there is no such dead letter that was not dealt with")


def _print_replayed(done: "Replayed", dry_run: bool) -> None:
    for topic, count in sorted(done.sent.items()):
        typer.echo(f"{topic}: {count} {'would be sent' if dry_run else 'sent'} again")
    for why, count in done.left_out.most_common(LEFT_OUT_SHOWN):
        echo_err(f"{count} left out: {readable(why)}")
    if (more := len(done.left_out) - LEFT_OUT_SHOWN) > 0:
        echo_err(f"and some for {more} other reasons; `freshet dlq export` has the refusal of each")
    if not done.sent and not done.left_out:
        echo_err("no such dead letter is left to be sent")


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
    one_line = text.replace("\n", "\\n").replace("\t", "\\t")
    return plain(one_line) + ("…" if len(text_or_bytes) > SHOWN_BYTES else "")


def _when(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S}Z"
