"""The processes that are measured: Freshet's own workers, and the peer in two ways."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from schemas.settings import Settings
from streams import children, up
from streams.trouble import Trouble
from tests.bench.ground import Ground, environment

LAST_LINES = 8

R = TypeVar("R")


@dataclass(frozen=True)
class Engine:
    """Something that folds feedback.v1 into profiles.v1, in one process."""

    name: str
    command: Callable[[Settings], Sequence[str]]


def _worker(settings: Settings) -> Sequence[str]:
    return up.workers(["profiles"])["profiles"]


def _bare(sends: str) -> Callable[[Settings], Sequence[str]]:
    module = "tests.bench.bare_aiokafka"
    return lambda settings: [sys.executable, "-m", module, settings.bootstrap, settings.prefix, sends]


FRESHET = Engine("Freshet", _worker)
PEERS = (
    Engine("aiokafka, a record an event", _bare("each")),
    Engine("aiokafka, newest per person", _bare("newest")),
)
ENGINES = (FRESHET, *PEERS)


def in_turns(ground: Ground, name: str, measure: Callable[[Engine, Settings], R]) -> dict[str, list[R]]:
    """Measure each engine twice, in alternating order, on topics of its own; gives the results by engine.

    A first run of a peer is thrown away: whoever came first on a broker just started was seen to pay two to
    three times the CPU, and seconds of delay. A quick run measures each once, and throws nothing away.
    """
    if not ground.quick:
        measure(PEERS[-1], ground.with_topics(f"{name}-warm-up."))
    results: dict[str, list[R]] = {engine.name: [] for engine in ENGINES}
    for number in range(ground.size(2, 1)):
        for place, engine in enumerate(ENGINES if number % 2 == 0 else reversed(ENGINES)):
            settings = ground.with_topics(f"{name}-{number}-{place}.")
            results[engine.name].append(measure(engine, settings))
    return results


def by_run(name: str, costs: Sequence[float]) -> str:
    """What each run cost, so that anybody sees how far apart they are.

    >>> by_run("Freshet", [9.04, 10.6])
    'Freshet 9.0 and 10.6 µs'
    """
    return f"{name} {' and '.join(f'{cost:.1f}' for cost in costs)} µs"


class Running:
    """A running process with its output in a file."""

    def __init__(self, name: str, command: Sequence[str], settings: Settings) -> None:
        self.name = name
        self._output = settings.data_dir / f"{settings.prefix}{name.replace(' ', '-')}.log"
        with self._output.open("wb") as output:
            self._process = children.start(command, output, environment(settings))
        self.pid = self._process.pid

    def check(self) -> None:
        """Raise Trouble, with its last lines, where it has ended."""
        if (status := self._process.poll()) is not None:
            said = self._output.read_text("utf-8", "replace").splitlines()[-LAST_LINES:]
            told = "\n".join(f"  | {line}" for line in said) or "  | nothing"
            raise Trouble(f"{self.name} ended {children.exit_text(status)}, and said:\n{told}", "See to that.")

    def kill(self) -> None:
        """End it at once: what it leaves behind nobody reads."""
        self._process.kill()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired as error:
            raise Trouble(f"{self.name} cannot be ended.", f"End process {self.pid}.") from error


@contextmanager
def running(name: str, command: Sequence[str], settings: Settings) -> Iterator[Running]:
    """A process for the time of a `with`."""
    process = Running(name, command, settings)
    try:
        yield process
    finally:
        process.kill()
