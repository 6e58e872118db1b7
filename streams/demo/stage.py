"""The demo's environment: broker, topics and agents for the time of a `with`, and waiting with its progress shown."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from encoders.base import LABELS, ModelError
from encoders.models.manifest import folder_of, verify_for
from schemas.agents import needed
from schemas.messages.fields import YEAR_2100_MS
from schemas.settings.model import Settings
from schemas.topics import FEEDBACK, TOPICS
from streams.demo.clients import OutputConsumer, Publisher, Sent, consuming_outputs
from streams.demo.screen import Screen
from streams.demo.server_index import remove_collections
from streams.errors import OperatorError
from streams.kafka import topic_admin
from streams.kafka.probe import wait_for_authenticated_broker
from streams.kafka.records import Record
from streams.local.broker import local_broker
from streams.logs.jsonl import Line
from streams.profiles.state import empty_partition
from streams.profiles.step import ProfilesStep
from streams.worker import processes, supervise

STALLED_S = 60.0  # a wait without progress for so long is given up; a guess
STOP_TIMEOUT_S = 4.0  # of the agents, then by force; with the broker's 10 s, Ctrl-C ends within 15
POLL_INTERVAL_S = 0.05
LAST_LINES = 12


class Agents:
    """The running agents, their output in one file each."""

    def __init__(self, folder: Path) -> None:
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._folder = folder

    def start(self, names: Iterable[str], environ: Mapping[str, str]) -> None:
        """Start each in a process of its own."""
        for name, command in supervise.workers(names).items():
            with self.output(name).open("wb") as output:
                self.processes[name] = processes.start(command, output, environ)

    def output(self, name: str) -> Path:
        """The file of an agent's output."""
        return self._folder / f"{name}.log"

    def check(self) -> None:
        """Raise OperatorError, with the last lines of the agent, where one has ended."""
        for name, process in self.processes.items():
            if (status := process.poll()) is not None:
                lines = self.output(name).read_text("utf-8", "replace").splitlines()[-LAST_LINES:]
                output = "\n".join(f"  {name} | {line}" for line in lines) or f"  {name} wrote nothing"
                cause = f"The agent {name} ended {processes.exit_text(status)}; the others are stopped.\n{output}"
                raise OperatorError(cause, f"Correct that; `freshet worker {name}` runs it alone.")


class Stage:
    """All that the story is played with, and what the agents should make of what was published."""

    def __init__(
        self, settings: Settings, screen: Screen, agents: Agents, clients: tuple[Publisher, OutputConsumer]
    ) -> None:
        self.settings, self.screen, self.agents = settings, screen, agents
        self.publisher, self.outputs = clients
        self.last_offsets: dict[str, int] = {}  # of each person's newest event that changes their profile
        states = {partition: empty_partition(partition) for partition in range(settings.partitions)}
        self._step = ProfilesStep(settings, states, trends_limit=0)
        self.counts = {"uploads": 0, "events": 0}

    def publish(self, lines: Iterable[Line], what: str = "", total: int = 0) -> list[Sent]:
        """Send lines, each confirmed; with a text the screen shows the progress."""
        sent = []
        with self.screen.progress(f"publishing {what}", total) if what else _silent() as on_progress:
            for one in self.publisher.send(lines):
                self.counts["events" if one.line.topic is FEEDBACK else "uploads"] += 1
                sent.append(one)
                on_progress(len(sent))
        for start in range(0, len(sent), 1000):
            self._fold(one for one in sent[start : start + 1000] if one.line.topic is FEEDBACK)
        return sent

    def wait(self, what: str, done: Callable[[], int], total: int, shown: bool = True) -> None:
        """Return when `done` reaches the total; OperatorError when an agent ends or there is no progress for long."""
        with self.screen.progress(f"waiting for {what}", total, STALLED_S) if shown else _silent() as on_progress:
            reached, since = -1, time.monotonic()
            while (now := done()) < total:
                if now != reached:
                    reached, since = now, time.monotonic()
                if time.monotonic() - since > STALLED_S:
                    counts = sorted(self.outputs.dead_letters.items())
                    dead_letters = ", ".join(f"{count} {reason}" for reason, count in counts)
                    cause = f"Still {total - now} of {total} to go for {what}, without progress for {STALLED_S:g} s."
                    remedy = "A smaller --events may help."
                    raise OperatorError(f"{cause} Dead letters: {dead_letters or 'none'}.", remedy)
                self.agents.check()
                self.outputs.check()
                on_progress(now)
                time.sleep(POLL_INTERVAL_S if shown else POLL_INTERVAL_S / 10)
            on_progress(total)

    def people_with_current_slates(self) -> int:
        """How many of all who acted have a slate that takes their last accepted event into account."""
        newest = self.outputs.newest
        return sum(
            user in newest and newest[user].trigger.offset >= offset for user, offset in self.last_offsets.items()
        )

    def _fold(self, sent: Iterable[Sent]) -> None:
        topic, partitions = FEEDBACK.full(self.settings.prefix), self.settings.partitions
        for one in sent:
            record = Record(topic, one.partition, one.offset, YEAR_2100_MS, one.line.key, one.line.value)
            for arrival in self._step.apply([((topic, one.partition), [record])], partitions).applied:
                self.last_offsets[arrival.event.user_id] = arrival.offset


@contextmanager
def stage(settings: Settings, folder: Path, own_broker: bool, keep: bool, screen: Screen) -> Iterator[Stage]:
    """Start everything in the folder, and stop it all again, whatever happens."""
    refuse_missing_models(settings)
    with ExitStack() as running:
        if own_broker:
            broker = running.enter_context(local_broker(folder, settings.cache_dir, report=screen.report))
            if not keep:
                running.callback(broker.kill)  # its data are deleted anyway
            settings = settings.model_copy(update={"bootstrap": broker.bootstrap})
        wait_for_authenticated_broker(settings, screen.report)
        created: list[str] = []
        topic_admin.apply(settings, TOPICS, created.append)
        topic_admin.check(settings, TOPICS)
        screen.report(
            f"Kafka answers at {settings.bootstrap}; {len(created)} topics created, {settings.partitions} partitions"
        )
        agents = Agents(folder)
        if settings.qdrant_url and not keep:
            running.callback(remove_collections, settings, screen.report)
        running.callback(lambda: supervise.stop_all(agents.processes, screen.report, STOP_TIMEOUT_S))
        names = needed(settings.qdrant_url)
        agents.start(names, supervise.environment(settings))
        publisher = running.enter_context(Publisher(settings, folder / "published.jsonl"))
        outputs = running.enter_context(consuming_outputs(settings))
        ready = Stage(settings, screen, agents, (publisher, outputs))
        groups = [f"{settings.prefix}{name}" for name in names]
        with topic_admin.connected(settings) as admin:
            ready.wait(
                "the agents " + ", ".join(names) + " to start",
                lambda: sum(topic_admin.is_group_assigned(admin, group) for group in groups),
                len(groups),
            )
        yield ready


@contextmanager
def run_folder(data_dir: Path, keep: bool, name: str = "demo") -> Iterator[Path]:
    """A fresh folder below the named one, removed afterwards unless it is kept; all share the vectors of labels."""
    above = data_dir.absolute() / name
    above.mkdir(parents=True, exist_ok=True)
    labels = data_dir.absolute() / LABELS
    labels.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=above, prefix="run-"))
    try:
        (folder / LABELS).symlink_to(labels)
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def refuse_missing_models(settings: Settings) -> None:
    """Raise OperatorError where the models are not there, or not the right ones."""
    try:
        verify_for(folder_of(settings.cache_dir), settings.text_model)
    except ModelError as error:
        raise OperatorError(f"The models cannot be used: {error}", "`freshet export` makes them, once.") from error


@contextmanager
def _silent() -> Iterator[Callable[[int], None]]:
    yield lambda _: None
