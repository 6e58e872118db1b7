"""`freshet watch`.

What is heavy is imported when a command runs, so that `freshet --help` is quick.
"""

import time
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.dlq import readable
from streams.cli.options import (
    Json,
    configured,
    echo_err,
    is_reader_gone,
    print_columns,
    say,
    wait_for_broker,
    write_json,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.settings.model import Settings
    from streams.logs.tail import SlateRecord
    from streams.logs.titles import FollowedTitles

TITLES_S = 5.0  # that a first slate waits for the titles of what was uploaded before


@configured
def watch(
    settings: "Settings",
    user: Annotated[str | None, typer.Argument(help="Only this person's slates.")] = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with the oldest slate kept.")] = False,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many slates.")] = None,
    as_json: Json = False,
) -> None:
    """Show slates as they come out, with the videos' titles and how old they are, until Ctrl-C."""
    from streams.logs.tail import tail_recommendations

    wait_for_broker(settings)
    echo_err(f"watching slates of {user or 'everybody'} at {settings.bootstrap}; Ctrl-C ends")
    with suppress(KeyboardInterrupt):
        slates = islice(tail_recommendations(settings, user, from_start, is_reader_gone), count)
        if as_json:
            _write_slates(slates)
        else:
            _show_slates(settings, slates)
        if is_reader_gone():
            raise BrokenPipeError


def _write_slates(slates: "Iterator[SlateRecord]") -> None:
    for record in slates:
        if record.value is not None:
            typer.echo(record.value)
        else:
            write_json({"user_id": record.user_id, "erased": True})


def _show_slates(settings: "Settings", slates: "Iterator[SlateRecord]") -> None:
    from streams.logs.titles import followed_titles

    first = next(slates, None)  # before titles are read: whoever mistyped the prefix is told so at once
    if first is None:
        return
    with followed_titles(settings) as titles:
        titles.settle(TITLES_S)
        _show_slate(first, titles)
        for record in slates:
            _show_slate(record, titles)


def _show_slate(record: "SlateRecord", titles: "FollowedTitles") -> None:
    import msgspec

    from schemas.messages.recommendations import decode_recommendation
    from streams.logs.tail import age_text, heading, reasons_of

    if record.value is None:
        say(f"{record.user_id}: erased")
        return
    try:
        slate = decode_recommendation(record.value)
    except msgspec.DecodeError as error:
        echo_err(f"{record.user_id}: a slate that cannot be decoded: {error}")
        return
    now_ms = time.time_ns() // 1_000_000
    say(heading(slate, now_ms))
    rows = [("rank", "video", "title", "age", "score", "sources", "because")]
    for item in slate.items:
        video = titles.get(item.video_id)
        title, age = (
            (readable(video.title or "(no title)"), age_text(now_ms - video.at_ms)) if video else ("(unknown)", "")
        )
        sources = ", ".join(item.sources)
        rows.append((str(item.rank), item.video_id, title, age, f"{item.score:.4f}", sources, reasons_of(item)))
    print_columns(rows)
