"""The two sides of a comparison: a replay by settings of its own, or slates that a replay has written before."""

import os
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from schemas.messages.erasures import Erasure
from schemas.messages.recommendations import Recommendation, decode_recommendation
from schemas.settings.load import SettingsError, load
from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.logs.jsonl import Fault, Line
from streams.logs.replay import HasSlate, Replay, replay_embedder
from streams.logs.source import open_log

SLATES = re.compile(r"\.jsonl(\.(gz|bz2|xz|zst))?$")
FEED = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
USAGE = 2  # exit status

Clock = Callable[[], float]  # seconds of CPU


class Side(Protocol):
    """A way of ranking, which is handed the log line by line."""

    name: str
    seconds: float | None  # of CPU so far; None where nothing is computed

    async def take(self, line: Line | Fault) -> list[Recommendation]:
        """Apply a line; gives the slates that are there by now, in the order of their lines."""

    async def close(self) -> list[Recommendation]:
        """The slates that are left."""

    def waits_from(self) -> int | None:
        """The first line that may still get a slate, None where none waits."""


class ReplayedSide:
    """A replay by some settings."""

    def __init__(self, name: str, replay: Replay, clock: Clock) -> None:
        self.name, self.replay = name, replay
        self.seconds: float | None = 0.0
        self._clock = clock

    async def take(self, line: Line | Fault) -> list[Recommendation]:
        """Apply a line; gives the slates that are there by now."""
        started = self._clock()
        found = [slate async for slate in self.replay.take(line)]
        self.seconds = (self.seconds or 0.0) + self._clock() - started
        return found

    async def close(self) -> list[Recommendation]:
        """The slates that are left."""
        return [slate async for slate in self.replay.close()]

    def waits_from(self) -> int | None:
        """The first line that may still get a slate."""
        return self.replay.waits_from


class WrittenSide:
    """Slates as `freshet replay --out` writes them, read as the log reaches their lines."""

    seconds: float | None = None

    def __init__(self, name: str, path: Path, has_slate: HasSlate) -> None:
        self.name, self._path = name, path
        self._slates = self._read(has_slate)
        self._next: Recommendation | None = next(self._slates, None)

    async def take(self, line: Line | Fault) -> list[Recommendation]:
        """The slates of this line, and of those before it."""
        found = []
        while self._next is not None and self._next.trigger.offset <= line.number:
            if self._next.trigger.offset == line.number and not _is_of(self._next, line):
                raise OperatorError(
                    f"{self.name} holds slates of another log: line {line.number} is of somebody else.",
                    "Give it the slates that `freshet replay LOG --out` wrote of this log.", USAGE,
                )  # fmt: skip
            found.append(self._next)
            self._next = next(self._slates, None)
        return found

    async def close(self) -> list[Recommendation]:
        """Nothing: all that is left is of lines that this log has not."""
        return []

    def waits_from(self) -> int | None:
        """Nothing ever waits."""
        return None

    def _read(self, has_slate: HasSlate) -> Iterator[Recommendation]:
        with open_log(self._path) as source:
            last = 0
            for number, line in enumerate(source.lines(), 1):
                slate = self._decoded(line, number)
                if slate.trigger.offset <= last:
                    raise self._unusable(number, "it is not in the order of the log's lines")
                last = slate.trigger.offset
                if has_slate(slate.user_id, slate.trigger.at_ms):
                    yield slate

    def _decoded(self, line: bytes, number: int) -> Recommendation:
        try:
            return decode_recommendation(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._unusable(number, str(error)) from error

    def _unusable(self, number: int, why: str) -> OperatorError:
        cause = f"{self.name}, line {number}, is no slate of a replay: {why}."
        return OperatorError(cause, "Make the file with `freshet replay LOG --out FILE`.", USAGE)


def _is_of(slate: Recommendation, line: Line | Fault) -> bool:
    if not isinstance(line, Line) or line.key.decode("utf-8", "replace") != slate.user_id:
        return False
    return isinstance(line.message, Erasure) or line.message.at_ms == slate.trigger.at_ms


def open_side(place: str, settings: Settings, has_slate: HasSlate, *, learning: bool, clock: Clock) -> Side:
    """The side that an argument names; an error says why there is none.

    place     a feed, or a file: parameters, settings or slates, told by its name's end
    settings  of what the argument leaves open
    """
    path = Path(place)
    if SLATES.search(path.name):
        return WrittenSide(place, _existing(path), has_slate)
    try:
        replay = new_replay(_settings_of(place, settings), has_slate, learning=learning)
    except SettingsError as error:  # which names the setting that the argument stands for; nobody set it
        cause = re.sub(rf"FRESHET_\w+=(?={re.escape(place)})", "", str(error))
        raise OperatorError(cause, "`freshet compare --help` says what A and B may be.", USAGE) from error
    return ReplayedSide(place, replay, clock)


def new_replay(settings: Settings, has_slate: HasSlate, *, learning: bool = False) -> Replay:
    """A replay by these settings."""
    return Replay(settings, replay_embedder(settings), learning=learning, has_slate=has_slate, digests=False)


def _settings_of(place: str, settings: Settings) -> Settings:
    path = Path(place)
    if path.suffix == ".toml":
        if _has_tables(_existing(path)):
            return settings.model_copy(update={"ranking": place})
        loaded = load({}, os.environ, path)
        of_file = {key: getattr(loaded.settings, key) for key, source in loaded.sources.items() if source == "file"}
        return settings.model_copy(update=of_file)
    if path.suffix == ".npz":
        return settings.model_copy(update={"parameters": str(_existing(path))})
    if FEED.fullmatch(place):
        return settings.model_copy(update={"feed": place})
    raise OperatorError(
        f"{place} is no way of ranking.",
        "Name a feed, package.module:function, or a file: .npz of `freshet train`, .toml of FRESHET_RANKING "
        "or of settings, .jsonl of slates, also packed.", USAGE,
    )  # fmt: skip


def _has_tables(path: Path) -> bool:
    """Whether it is what slates are made of, as settings have no table; their loader says what cannot be read."""
    try:
        return any(isinstance(value, dict) for value in tomllib.loads(path.read_text("utf-8-sig")).values())
    except (OSError, ValueError, RecursionError):
        return False


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise OperatorError(f"There is no file {path}.", "Correct its name.", USAGE)
    return path
