"""Help that lists commands by what they are for, each with its whole first sentence.

Plain text: drawing it with rich takes longer than the rest of `--help` together.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from typer.core import TyperGroup

GROUPS = {
    "Run": ("playground", "demo", "broker", "up", "worker", "api", "export", "models", "topics", "config"),
    "See how it does": ("status", "health", "doctor", "watch", "dlq", "contract"),
    "Ask": ("search", "similar", "playlist", "explain", "reuploads", "review"),
    "Logs": ("validate", "send", "record", "convert", "replay", "digest", "compare", "evaluate"),
    "Learn": ("train", "train-fusion", "train-sequence"),
    "Look after": ("backup", "restore", "forget", "backfill", "rebuild", "index"),
}
SENTENCE = 500  # longer than any first sentence, which click would cut


Context = Any  # of the click that typer carries inside, as the formatter is


class Formatter(Protocol):
    """What help is written with."""

    def section(self, name: str) -> AbstractContextManager[None]:
        """Write a title, and indent what follows."""

    def write_dl(self, rows: Sequence[tuple[str, str]]) -> None:
        """Write names and what they mean, in two columns."""


class WholeSentences(TyperGroup):
    """A group of commands whose sentences are not cut."""

    def format_commands(self, ctx: Context, formatter: Formatter) -> None:
        """List all of them."""
        self._list("Commands", self.list_commands(ctx), ctx, formatter)

    def _list(self, title: str, names: Iterable[str], ctx: Context, formatter: Formatter) -> None:
        commands = ((name, self.get_command(ctx, name)) for name in names)
        rows = [(name, one.get_short_help_str(SENTENCE)) for name, one in commands if one is not None]
        with formatter.section(title):
            formatter.write_dl(rows)


class ByPurpose(WholeSentences):
    """The commands of `freshet` in groups."""

    def format_commands(self, ctx: Context, formatter: Formatter) -> None:
        """List each group under its title."""
        for title, names in GROUPS.items():
            self._list(title, names, ctx, formatter)
