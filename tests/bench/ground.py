"""What measurements stand on: their size, a folder, a broker when one is needed, and a recorded log."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, TypeVar

from ranker.simulation.world import simulated_log
from schemas.messages import feedback, videos
from schemas.messages.feedback import Feedback
from schemas.messages.videos import Upload
from schemas.settings.load import ENVIRONMENT_PREFIX, load
from schemas.settings.model import Settings
from schemas.topics import TOPICS, Topic
from streams.kafka import topic_admin
from streams.local.broker import LocalBroker, local_broker
from streams.logs.convert.kuairand import convert_kuairand
from tests.support.paths import DATA

FOLDERS = ("FRESHET_CACHE_DIR", "XDG_CACHE_HOME")  # all that is taken from the caller's settings
KUAIRAND = "KuaiRand"
START_MS = 1_650_000_000_000  # of made-up logs

T = TypeVar("T")


class Log(NamedTuple):
    """A recorded log, and what it is."""

    name: str
    path: Path

    def feedback(self) -> list[Feedback]:
        """Its events, in the order of its lines."""
        with self.path.open("rb") as lines:
            return [feedback.decode(line) for line in lines if not line.startswith(b'{"kind":"upload"')]


class Ground:
    """Made once a run; broker and log are made when they are first asked for."""

    def __init__(self, quick: bool, long: bool, folder: Path, running: ExitStack) -> None:
        self.quick, self.long, self.folder, self._running = quick, long, folder, running

    def size(self, full: T, quick: T) -> T:
        """The one for this run."""
        return quick if self.quick else full

    @cached_property
    def broker(self) -> LocalBroker:
        """A local broker that ends with the run, as `freshet broker` starts it."""
        return self._running.enter_context(local_broker(self.folder, self.settings().cache_dir, lasts=True))

    @property
    def bootstrap(self) -> str:
        """Its address."""
        return self.broker.bootstrap

    @staticmethod
    def defaults(**flags: object) -> Settings:
        """The defaults with these changes: what the caller has set otherwise shall not be measured."""
        environ = {key: os.environ[key] for key in FOLDERS if key in os.environ}
        return load(flags, environ, None).settings

    def settings(self, **flags: object) -> Settings:
        """The defaults, but in the run's folder, with these changes."""
        return self.defaults(**{"data_dir": self.folder, **flags})

    def with_topics(self, prefix: str, topics: Sequence[Topic] = TOPICS) -> Settings:
        """Settings of a system of its own on the broker, its topics made."""
        settings = self.settings(bootstrap=self.bootstrap, prefix=prefix)
        topic_admin.apply(settings, topics, lambda _: None)
        return settings

    @cached_property
    def log(self) -> Log:
        """KuaiRand where it is there, otherwise a made-up log."""
        count, path = self.size(None, 5000), self.folder / "log.jsonl"
        source = DATA / "kuairand-pure"
        if source.is_dir():
            convert_kuairand(source, path, count)
            return Log(KUAIRAND, path)
        made = simulated_log(0, self.size(2000, 200), self.size(2000, 200), count or 50_000, START_MS)
        with path.open("wb") as file:
            encode = {True: videos.encode, False: feedback.encode}
            file.writelines(encode[isinstance(message, Upload)](message) + b"\n" for message in made)
        return Log("a made-up log", path)


def environment(settings: Settings) -> dict[str, str]:
    """A worker's environment: these settings and no others, and as many threads as a user's worker has."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(ENVIRONMENT_PREFIX)}
    own.pop("OPENBLAS_NUM_THREADS", None)  # set for the measurements inside this process
    flags = {key: str(getattr(settings, key)) for key in ("bootstrap", "prefix", "data_dir", "cache_dir")}
    flags["config"] = os.devnull  # no freshet.toml of this folder
    return {**own, **{ENVIRONMENT_PREFIX + key.upper(): value for key, value in flags.items()}}
