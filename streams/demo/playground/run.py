"""Starts and stops the playground: Kafka where none answers, agents and HTTP API, and the people who use them."""

import shutil
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread

from pydantic import SecretStr

from schemas.agents import needed
from schemas.settings.model import Settings
from schemas.topics import TOPICS
from streams.demo.clips import put_clips
from streams.demo.playground.check import Visit, visit
from streams.demo.playground.client import ApiClient, StoppedError
from streams.demo.playground.people import World, fill, keep_watching
from streams.demo.screen import Screen
from streams.demo.stage import LAST_LINES, refuse_missing_models, run_folder
from streams.errors import OperatorError
from streams.kafka import topic_admin
from streams.kafka.probe import wait_for_authenticated_broker
from streams.local.broker import HOST, LocalBroker, broker_if_none_answers, free_port, refuse_taken_port
from streams.worker import supervise
from streams.worker.readiness import Readiness
from streams.worker.restarts import Restarts

JOIN_TIMEOUT_S = 1.0


def run(given: Settings, clips: Path | None, keep: bool, is_check: bool, screen: Screen) -> bool:
    """Run it until Ctrl-C, or until it was checked: whether all was as it should be."""
    refuse_missing_models(given)
    with run_folder(given.data_dir, keep, "playground") as folder, ExitStack() as running:
        settings = apart(given, folder)
        world = World(settings, put_clips(clips, Path(settings.media_root)))
        if keep:
            running.callback(lambda: screen.report("\n".join(kept(settings))))
        broker = None
        if settings.kafka_security == "plaintext":
            broker = running.enter_context(broker_if_none_answers(settings, screen.report))
        if not keep:
            running.callback(broker.kill if broker else lambda: remove_topics(settings))  # its data are deleted anyway
        wait_for_authenticated_broker(settings, screen.report)
        topic_admin.apply(settings, TOPICS, lambda _: None)
        topic_admin.check(settings, TOPICS)
        return Playground(settings, world, broker, screen).run(folder / "agents.log", is_check)


class Playground:
    """What runs, and two threads that use it: one fills it, and checks it if asked to; in the other people watch."""

    def __init__(self, settings: Settings, world: World, broker: LocalBroker | None, screen: Screen) -> None:
        self._settings, self._world, self._broker, self._screen = settings, world, broker, screen
        self._stopped = Event()
        self._base = f"http://{settings.api_host}:{settings.api_port}"
        self._faults: list[Exception] = []
        self._visit: Visit | None = None

    def run(self, log: Path, is_check: bool) -> bool:
        """Run until Ctrl-C, or until the check is through; what agents write goes into the log."""
        readiness = Readiness(self._settings, self._screen.report, next_steps="")
        last: deque[str] = deque(maxlen=LAST_LINES)

        def look_after(processes: supervise.Processes) -> None:
            if self._broker is not None:
                self._broker.start_again_if_ended(self._screen.report)
            readiness.look(processes)
            if self._faults:
                raise self._faults[0]
            if self._visit:
                raise StoppedError

        filling = self._thread(lambda: self._fill(is_check))
        try:
            with log.open("w", encoding="utf-8", buffering=1) as file:

                def write(line: str) -> None:
                    last.append(line)
                    file.write(line + "\n")

                filling.start()
                commands = supervise.workers(needed(self._settings.qdrant_url)) | supervise.api()
                environ = supervise.environment(self._settings)
                supervise.run(commands, environ, write, self._screen.report, look_after, Restarts())
        except StoppedError:
            pass
        except OperatorError:
            for line in last:
                self._screen.report(f"  {line}")
            self._screen.report(f"agents.log is left at {left(log)}")
            raise
        finally:
            self._stopped.set()
            filling.join(JOIN_TIMEOUT_S)
        return self._visit is not None and all(check.holds for check in self._visit.checks)

    def _fill(self, is_check: bool) -> None:
        with ApiClient(self._base, self._stopped) as api:
            fill(api, self._world, self._screen.report)
            self._thread(self._watch).start()
            if not is_check:
                for line in invitation(self._base, self._world):
                    self._screen.report(line)
                return
            seen = visit(api, self._world)
        self._screen.checks(seen.checks)
        p50, p95, _, times = seen.like_to_slate_ms
        self._screen.report(f"like → slate over HTTP, p50 / p95: {p50:.0f} / {p95:.0f} ms (of {times})")
        self._visit = seen

    def _watch(self) -> None:
        with ApiClient(self._base, self._stopped) as api:
            keep_watching(api, self._world, self._stopped)

    def _thread(self, work: Callable[[], None]) -> Thread:
        def until_stopped() -> None:
            try:
                work()
            except StoppedError:
                return
            except Exception as error:  # raised in the main thread, which stops all
                self._faults.append(error)

        return Thread(target=until_stopped, name="playground", daemon=True)


def left(log: Path) -> Path:
    """The log beside the folder that it is in, where it stays when that is deleted."""
    folder = log.parent
    return Path(shutil.copyfile(log, folder.with_name(f"{folder.name}.log")))


def apart(settings: Settings, folder: Path) -> Settings:
    """Settings that keep the playground apart from all other data, and its page on this machine."""
    changes: dict[str, object] = {
        "data_dir": folder,
        "media_root": str(folder / "media"),
        "prefix": f"{settings.prefix}playground-{folder.name.removeprefix('run-')}.",
        "api_host": HOST,
        "api_port": port(settings.api_port),
        "api_read_token": SecretStr(""),
        "api_write_token": SecretStr(""),
        "slates_url": "",
        "qdrant_url": "",
        "hold_vectors": True,
    }
    return settings.model_copy(update=changes)


def port(wanted: int) -> int:
    """The port that is wanted, or a free one where it is taken."""
    try:
        refuse_taken_port(wanted)
    except OperatorError:
        return free_port()
    return wanted or free_port()


def invitation(base: str, world: World) -> Iterator[str]:
    """Where the page is, and what to try."""
    yield ""
    yield f"open {base}/  (Ctrl-C stops all)"
    videos, clips, people = len(world.videos), len(world.clips), len(world.people)
    yield f"  {videos} made-up videos, {clips} of them with a clip; {people} simulated people go on watching"
    yield "  1. Feed: like three videos of one subject (key l), and see the slate glide into a new order"
    yield "  2. Search: type “piano”, or what you would say; then “Similar” on a card"
    yield "  3. Operate: events a second, event to slate, and what the model has learned, while people watch"


def remove_topics(settings: Settings) -> None:
    """Delete the playground's topics and consumer groups from a broker that is not its own."""
    with topic_admin.connected(settings) as admin:
        admin.delete_topics([name for name in admin.list_topics() if name.startswith(settings.prefix)])
        admin.delete_groups([f"{settings.prefix}{name}" for name in needed(settings.qdrant_url)])


def kept(settings: Settings) -> Iterator[str]:
    """What is left, and how it goes on."""
    yield f"kept: {settings.data_dir}, and the topics {settings.prefix}*; it goes on with"
    yield (
        f"  FRESHET_MEDIA_ROOT={settings.media_root} FRESHET_API_PORT={settings.api_port} freshet up --broker "
        f"--bootstrap {settings.bootstrap} --prefix {settings.prefix} --data-dir {settings.data_dir}"
    )
