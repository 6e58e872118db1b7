"""The command that says why a video is on somebody's slate, or why not.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import Json, configured, print_columns, say, utc, wait_for_broker, write_json

if TYPE_CHECKING:
    from ranker.pipeline.trace import Trace
    from schemas.settings.model import Settings

SMALL = 5e-4  # a contribution below is not shown


@configured
def explain(
    settings: "Settings",
    user_id: Annotated[str, typer.Argument(help="The person.")],
    video_id: Annotated[str, typer.Argument(help="The video.")],
    as_json: Json = False,
) -> None:
    """Say why a video is on a person's slate, or which source, filter or feature kept it away."""
    from streams.operations.explain import as_dict
    from streams.operations.explain import explain as operation

    wait_for_broker(settings)
    found = operation(settings, user_id, video_id)
    if as_json:
        write_json(as_dict(found))
    else:
        show(found)


def show(found: "Trace") -> None:
    """Print a trace: a sentence, the chances, and what raised and lowered the score."""
    say(found.summary())
    for one in found.behind:
        say(f"the person {one.did} {one.video_id} at {utc(one.at_ms)}")
    if found.score is None:
        return
    chances = ", ".join(f"{head} {chance:.3f}" for head, chance in found.probabilities.items())
    typer.echo(f"score {found.score:.4f}; {chances or 'no probabilities'}")
    theirs = found.last[1] if found.last and found.item is None else {}
    rows = [
        (name, f"{value:+.4f}", *([f"{theirs.get(name, 0.0):+.4f}"] if theirs else []))
        for name, value in found.contributions.items()
        if abs(value) >= SMALL or abs(theirs.get(name, 0.0)) >= SMALL
    ]
    if rows:
        shown = found.last[0].video_id if theirs and found.last else ""
        if found.rank_logit is not None:
            total = sum(theirs.values())
            rows.append(("rank log-odds", f"{found.rank_logit:+.4f}", *([f"{total:+.4f}"] if theirs else [])))
        print_columns([("feature", found.video_id, *([shown] if theirs else [])), *rows])
    for because in found.item.reasons if found.item else []:
        say(f"reason: {because.code} {because.weight:.2f}" + (f" ({because.video_id})" if because.video_id else ""))
