"""The processes that are measured: Freshet's own workers, and its peers doing the same work."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from typing import TypeVar

from schemas.settings.model import Settings
from schemas.topics import FEEDBACK, PROFILES, TOPICS, Topic
from streams.errors import OperatorError
from streams.worker import processes, supervise
from tests.bench import faust_app, quix_app
from tests.bench.ground import Ground, environment
from tests.bench.machine import PEERS
from tests.bench.wire import make_changelog
from tests.bench.work import REFERENCE, Work

PEERS_PYTHON = PEERS / "bin/python"
SHORT_S = 0.1  # between checkpoints, where the delay is measured
LAST_LINES = 8

R = TypeVar("R")


class AsSent(Topic):
    """A topic that keeps the codec which a producer chose: most peers have no library for zstd."""

    def config(self) -> dict[str, str]:
        return {**super().config(), "compression.type": "producer"}


TOPICS_AS_SENT = tuple(AsSent(*astuple(topic)) for topic in TOPICS)


@dataclass(frozen=True)
class Engine:
    """Something that folds feedback.v1 into a changelog of states, in one process."""

    name: str
    command: Callable[[Settings, Work], Sequence[str]]
    changelog: Callable[[str], str] | None = None  # by source topic; None: it writes to profiles.v1

    def output(self, settings: Settings) -> str:
        """The full name of its changelog."""
        return self.changelog(source_of(settings)) if self.changelog else PROFILES.full(settings.prefix)


def source_of(settings: Settings) -> str:
    """The full name of the topic that every engine reads."""
    return FEEDBACK.full(settings.prefix)


def _freshet(settings: Settings, work: Work) -> Sequence[str]:
    if work is REFERENCE:
        return [sys.executable, "-m", "faust", "-A", "tests.bench.freshet_app:app", "worker", "-l", "warn"]
    return supervise.workers(["profiles"])["profiles"]


def _faust(settings: Settings, work: Work) -> Sequence[str]:
    given = (settings.bootstrap, source_of(settings), str(settings.data_dir), str(settings.partitions), work.name)
    return [sys.executable, "-m", "tests.bench.faust_app", *given]


def _quix(checkpoint_s: float) -> Callable[[Settings, Work], Sequence[str]]:
    def command(settings: Settings, work: Work) -> Sequence[str]:
        given = (settings.bootstrap, source_of(settings), str(settings.data_dir), work.name, str(checkpoint_s))
        return [str(PEERS_PYTHON), "-m", "tests.bench.quix_app", *given]

    return command


def _bare(module: str) -> Callable[[Settings, Work], Sequence[str]]:
    def command(settings: Settings, work: Work) -> Sequence[str]:
        given = (settings.bootstrap, source_of(settings), PROFILES.full(settings.prefix), work.name)
        return [sys.executable, "-m", f"tests.bench.{module}", *given]

    return command


FRESHET = Engine("Freshet", _freshet)
FAUST = Engine("Faust, table", _faust, faust_app.changelog_of)
QUIX = Engine("Quix Streams, State", _quix(quix_app.AS_SHIPPED_S), quix_app.changelog_of)
QUIX_SHORT = Engine(f"Quix Streams, checkpoints every {SHORT_S:g} s", _quix(SHORT_S), quix_app.changelog_of)
AIOKAFKA = Engine("bare aiokafka", _bare("bare_aiokafka"))
CONFLUENT = Engine("bare confluent-kafka", _bare("bare_confluent"))
ENGINES = (FRESHET, FAUST, QUIX, AIOKAFKA, CONFLUENT)


def in_turns(
    ground: Ground, name: str, engines: Sequence[Engine], measure: Callable[[Engine, Settings], R]
) -> dict[str, list[R]]:
    """Measure each engine twice, in alternating order, on topics of its own; gives the results by engine.

    A first run of the cheapest is thrown away: whoever came first on a broker just started was seen to pay two to
    three times the CPU, and seconds of delay. A quick run measures each once, and throws nothing away.
    """
    _refuse_without_peers(engines)
    short = "".join(word[0] for word in name.split("."))  # a profile names its topic, so this shows in its size
    if not ground.quick:
        _on_own_topics(ground, f"{short}-warm.", CONFLUENT, measure)
    results: dict[str, list[R]] = {engine.name: [] for engine in engines}
    for number in range(ground.size(2, 1)):
        for place, engine in enumerate(engines if number % 2 == 0 else reversed(engines)):
            results[engine.name].append(_on_own_topics(ground, f"{short}-{number}-{place}.", engine, measure))
    return results


def _refuse_without_peers(engines: Sequence[Engine]) -> None:
    """Nobody is left out in silence."""
    if QUIX in engines and not PEERS_PYTHON.exists():
        cause = f"There is no {PEERS_PYTHON}, which runs Quix Streams."
        raise OperatorError(cause, "`make bench` makes it from requirements/bench.txt.")


def _on_own_topics(ground: Ground, prefix: str, engine: Engine, measure: Callable[[Engine, Settings], R]) -> R:
    settings = ground.with_topics(prefix, TOPICS if engine is FRESHET else TOPICS_AS_SENT)
    make_changelog(settings, engine.output(settings))
    return measure(engine, settings)


class Running:
    """A running process with its output in a file."""

    def __init__(self, name: str, command: Sequence[str], settings: Settings) -> None:
        self.name = name
        self._output = settings.data_dir / f"{settings.prefix}{name.replace(' ', '-')}.log"
        with self._output.open("wb") as output:
            self._process = processes.start(command, output, environment(settings))
        self.pid = self._process.pid

    def check(self) -> None:
        """Raise OperatorError, with its last lines, where it has ended."""
        if (status := self._process.poll()) is not None:
            told = "\n".join(f"  | {line}" for line in self.said()[-LAST_LINES:]) or "  | nothing"
            raise OperatorError(f"{self.name} ended {processes.exit_text(status)}, and said:\n{told}", "See to that.")

    def said(self) -> list[str]:
        """Its output so far, by lines."""
        return self._output.read_text("utf-8", "replace").splitlines()

    def kill(self) -> None:
        """End it at once: what it leaves behind nobody reads."""
        self._process.kill()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired as error:
            raise OperatorError(f"{self.name} cannot be ended.", f"End process {self.pid}.") from error


@contextmanager
def running(name: str, command: Sequence[str], settings: Settings) -> Iterator[Running]:
    """A process for the time of a `with`."""
    process = Running(name, command, settings)
    try:
        yield process
    finally:
        process.kill()
