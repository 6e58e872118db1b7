"""What the demo shows: live bars and tables on a terminal, plain lines everywhere else."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from schemas.messages.recommendations import Because, Item
from schemas.messages.videos import Upload
from streams.demo.log import kinds_of

PROGRESS_INTERVAL_S = 5.0
PLAIN_WIDTH = 150
WORDS = {
    "similar_to": "like what they watched",
    "creator": "by a creator they like",
    "trending": "many people watch it now",
    "fresh": "newly uploaded",
    "popular": "many people have watched it",
    "explore": "drawn by chance among the new ones",
}

OnProgress = Callable[[int], None]


class Check(NamedTuple):
    """Something that has to hold at the end."""

    name: str
    holds: bool
    seen: str


class Screen:
    """Where everything for people is shown: stdout, or stderr when stdout is for JSON."""

    def __init__(self, as_json: bool = False, console: Console | None = None) -> None:
        self._console = console or Console(stderr=as_json, highlight=False)
        if not self._console.is_terminal:
            self._console.width = shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns  # COLUMNS, where it is set

    def report(self, line: str) -> None:
        """One line."""
        self._console.print(Text(line), soft_wrap=True)

    def chapter(self, title: str) -> None:
        """The next part of the story."""
        self._console.print()
        self._console.print(Text(title, style="bold"), soft_wrap=True)

    @contextmanager
    def progress(self, what: str, total: int, gives_up_s: float | None = None) -> Iterator[OnProgress]:
        """Show the progress of something: the yielded function takes how much is done. A line with the time ends it."""
        began = time.monotonic()
        limit = f"; gives up after {gives_up_s:g} s without progress" if gives_up_s else ""
        with self._bar(what, total) if self._console.is_terminal else self._lines(what, total, limit) as on_progress:
            yield on_progress
        self.report(f"  {what}: {total} in {time.monotonic() - began:.1f} s")

    @contextmanager
    def _bar(self, what: str, total: int) -> Iterator[OnProgress]:
        columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console, transient=True) as bars:
            task = bars.add_task(what, total=total)
            yield lambda done: bars.update(task, completed=done)

    @contextmanager
    def _lines(self, what: str, total: int, limit: str) -> Iterator[OnProgress]:
        began = reported = time.monotonic()

        def on_progress(done: int) -> None:
            nonlocal reported
            if time.monotonic() - reported >= PROGRESS_INTERVAL_S:
                reported = time.monotonic()
                self.report(f"  {what}: {done} of {total} ({reported - began:.0f} s{limit})")

        yield on_progress

    def slates(self, before: Sequence[Item], after: Sequence[Item], catalogue: Mapping[str, Upload], kind: str) -> None:
        """Two slates side by side; videos of the kind are highlighted."""
        table = Table("", "before", "after", box=SIMPLE_HEAD, pad_edge=False)
        for rank in range(max(len(before), len(after))):
            cells = (_cell(slate, rank, catalogue, kind) for slate in (before, after))
            table.add_row(str(rank + 1), *cells)
        self._console.print(table)

    def figures(self, figures: Mapping[str, str]) -> None:
        """The counts and measurements."""
        table = Table("figure", "value", box=SIMPLE_HEAD, pad_edge=False)
        for name, value in figures.items():
            table.add_row(Text(name), Text(value))
        self._console.print(table)

    def checks(self, checks: Sequence[Check]) -> None:
        """What has to hold, and whether it does."""
        table = Table("check", "holds", "seen", box=SIMPLE_HEAD, pad_edge=False)
        for check in checks:
            style = "green" if check.holds else "bold red"
            table.add_row(Text(check.name), Text("yes" if check.holds else "NO", style=style), Text(check.seen))
        self._console.print(table)


def _cell(slate: Sequence[Item], rank: int, catalogue: Mapping[str, Upload], kind: str) -> Text:
    if rank >= len(slate):
        return Text("")
    item = slate[rank]
    video = catalogue.get(item.video_id)
    kinds = kinds_of(video) if video else ()
    title = f"{title_of(item.video_id, catalogue)} ({', '.join(kinds)})"
    reasons = "; ".join(in_words(because, catalogue) for because in item.reasons)
    cell = Text(title, style="bold green" if kind in kinds else "")
    return cell.append(f"\n  {reasons} [{', '.join(item.sources)}]", style="not bold dim")


def title_of(video_id: str, catalogue: Mapping[str, Upload]) -> str:
    """A video's title, or its id where it has none.

    >>> title_of("v7", {})
    'video v7'
    """
    video = catalogue.get(video_id)
    return (video.title if video else None) or f"video {video_id}"


def in_words(because: Because, catalogue: Mapping[str, Upload]) -> str:
    """A reason in plain words.

    >>> in_words(Because("popular", 1.0), {})
    'many people have watched it'
    >>> in_words(Because("similar_to", 1.0), {})
    'like what they watched'
    """
    if because.code == "similar_to" and because.video_id:
        return f"like “{title_of(because.video_id, catalogue)}”"
    return WORDS.get(because.code, because.code)
