"""How the workers of this machine are doing.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import NO_WORKER, Json, configured, write_json

if TYPE_CHECKING:
    from schemas.settings.model import Settings
    from streams.worker.health import Status


@configured
def health(
    settings: "Settings",
    names: Annotated[
        list[str] | None, typer.Argument(help="Agents that have to be ready; all that run, if none.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show this machine's workers; the exit status is 0 where every one named is ready, and 1 otherwise."""
    from streams.worker.health import is_silent, statuses

    found = [one for one in statuses(settings) if not names or one.agent in names]
    silent = {one.pid for one in found if is_silent(one, time.time() * 1000)}
    if as_json:
        write_json([_as_json(one, one.pid in silent) for one in found])
    else:
        for one in found:
            waits = f", waits for {' and '.join(one.waits_for)}" if one.waits_for else ""
            state = "silent" if one.pid in silent else one.state
            typer.echo(
                f"{one.agent:<10} {one.pid:>8}  {state}{waits}; {sum(one.lag.values())} records behind{_held(one)}"
            )
            if one.trouble:
                typer.echo(f"  -> {one.trouble}")
        if not (found or names):
            typer.echo(NO_WORKER)
    missing = [name for name in dict.fromkeys(names or ()) if name not in {one.agent for one in found}]
    for name in missing:
        typer.echo(f"{name} does not run on this machine", err=as_json)
    unready = [one for one in found if one.state != "ready" or one.pid in silent]
    raise typer.Exit(int(bool(unready or missing) or not found))


def _held(status: "Status") -> str:
    """What open transactions of producers hold back from every reader; it is no lag of the worker's."""
    places, count = ", ".join(status.open_transactions), sum(status.open_transactions.values())
    return f"; an open transaction on {places} holds back {count}" if places else ""


def _as_json(status: "Status", silent: bool) -> dict[str, object]:
    import msgspec

    former_keys = {"in_hand": status.in_flight}  # kept for one release
    return {**msgspec.to_builtins(status), "silent": silent, **former_keys}
