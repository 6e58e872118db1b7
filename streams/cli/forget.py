"""`freshet forget`: erase a person, and prove that nothing is left.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import Json, configured, echo_err, wait_for_broker, write_json

if TYPE_CHECKING:
    from schemas.settings.model import Settings
    from streams.operations.erasure_audit import AuditFinding


@configured
def forget(
    settings: "Settings",
    user: Annotated[str, typer.Argument(help="Whom; - reads the id from stdin, so that no process list shows it.")],
    at_ms: Annotated[int | None, typer.Option(help="Forget everything up to this time (Unix ms); else: now.")] = None,
    prove: Annotated[bool, typer.Option("--prove", help="Erase nothing: look everywhere for what is left.")] = False,
    wait_s: Annotated[float, typer.Option(min=0, help="How long to wait for the agents.")] = 60.0,
    as_json: Json = False,
) -> None:
    """Erase a person and wait until it is done; with --prove, count what is left, and fail if something may not be."""
    user_id = _id_of(_first_line() if user == "-" else user)
    if prove:
        _prove(settings, user_id, as_json)
    else:
        _forget(settings, user_id, int(time.time() * 1000) if at_ms is None else at_ms, wait_s, as_json)


def _first_line() -> str:
    """The first line of stdin; empty where it is closed or holds no text."""
    try:
        return sys.stdin.readline().strip() if sys.stdin else ""
    except (OSError, UnicodeDecodeError):
        return ""


def _id_of(user: str) -> str:
    from schemas.messages.fields import why_not_an_id

    why = why_not_an_id("user_id", user) if user else "$.user_id is empty"
    if why:
        raise typer.BadParameter(f"that is not a user id: {why}", param_hint="USER")
    return user


def _forget(settings: "Settings", user_id: str, at_ms: int, wait_s: float, as_json: bool) -> None:
    from schemas.messages.fields import YEAR_2000_MS
    from streams.dead_letters.validation import FUTURE_MS
    from streams.operations import erase

    if at_ms < YEAR_2000_MS:
        raise typer.BadParameter("that is before 2000; give Unix time in ms, not in seconds", param_hint="--at-ms")
    if at_ms > time.time() * 1000 + FUTURE_MS:
        raise typer.BadParameter("that is in the future; what has not happened cannot be erased", param_hint="--at-ms")
    seconds = erase.forget(settings, user_id, at_ms, wait_s, echo_err)
    if as_json:
        write_json({"at_ms": at_ms, "seconds": seconds})
    elif seconds:
        typer.echo(f"erased in {max(seconds.values()):.2f} s")
    else:
        typer.echo("nothing was left to erase: this person was erased at a later time already, and has come back since")


def _prove(settings: "Settings", user_id: str, as_json: bool) -> None:
    from streams.operations.erasure_audit import audit

    wait_for_broker(settings)
    found = []
    for one in audit(settings, user_id):
        found.append(one)
        if not as_json:
            typer.echo(as_text(one))
    left = sum(one.hits for one in found if one.must_be_gone)
    expires = max((one.gone_ms for one in found if one.gone_ms is not None), default=None)
    if as_json:
        write_json({"left": left, "gone_ms": expires, "places": [as_dict(one) for one in found]})
    else:
        until = f"; the rest is gone by {day(expires)}" if expires is not None else ""
        typer.echo(f"{left} hits in what must be gone{until}")
    raise typer.Exit(1 if left else 0)


def as_dict(one: "AuditFinding") -> dict[str, object]:
    """A finding for scripts."""
    counts = {"place": one.place, "kind": one.kind, "looked_at": one.looked_at, "hits": one.hits}
    return counts | {
        "tombstones": one.tombstones,
        "expires_ms": one.expires_ms,
        "gone_ms": one.gone_ms,
        "why": why(one),
    }


def as_text(one: "AuditFinding") -> str:
    """A finding as a line."""
    reason = why(one)
    return f"{one.place} ({one.kind}): {one.hits} hits in {one.looked_at}" + (f"; {reason}" if reason else "")


def why(one: "AuditFinding") -> str:
    """What has to happen until the hits are gone; empty where there are none."""
    if not one.hits:
        return ""
    match one.kind:
        case "kept by time":
            return _when_it_expires(one.expires_ms, one.gone_ms)
        case "compacted":
            return _why_not_compacted(one)
        case "index":
            return "withdraw the videos that this person uploaded"
        case "file":
            return "delete the line or the file"


def _when_it_expires(expires_ms: int | None, gone_ms: int | None) -> str:
    if expires_ms is None or gone_ms is None:
        return "retention.ms keeps them for ever: set it"
    return f"the last expires {day(expires_ms)} and is gone by {day(gone_ms)}"


def _why_not_compacted(one: "AuditFinding") -> str:
    if one.alive:
        return "the newest record of this key is no tombstone: erase the person first, and check that the agents run"
    if not one.tombstones:
        return "the id is in records of other keys: as a creator, until their videos are withdrawn"
    config = one.config
    lag, most = (
        int(config["min.compaction.lag.ms"]),
        min(int(config["max.compaction.lag.ms"]), int(config["segment.ms"])),
    )
    return (
        f"compaction takes them from {moment(one.last_ms + lag)} on, once their segment is closed (by the next record "
        f"of the partition after {hours(most)}), and the tombstone {hours(int(config['delete.retention.ms']))} later"
    )


def day(at_ms: int) -> str:
    """A time as a date, UTC.

    >>> day(1_650_812_741_000)
    '2022-04-24'
    """
    return datetime.fromtimestamp(at_ms / 1000, UTC).date().isoformat()


def moment(at_ms: int) -> str:
    """A time to the minute, UTC.

    >>> moment(1_650_812_741_000)
    '2022-04-24 15:05 UTC'
    """
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def hours(ms: int) -> str:
    """A span in the unit that reads best.

    >>> hours(86_400_000), hours(600_000), hours(100)
    ('24 h', '10 min', '0.1 s')
    """
    return next(
        (f"{ms / size:g} {unit}" for size, unit in ((3_600_000, "h"), (60_000, "min")) if ms >= size),
        f"{ms / 1000:g} s",
    )
