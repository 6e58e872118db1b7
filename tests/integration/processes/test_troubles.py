"""What goes wrong while `freshet up` runs: one line each that says what and what now, and all comes back by itself."""

import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from schemas.messages import feedback, videos
from schemas.settings.model import Settings
from schemas.topics import FEEDBACK, RECOMMENDATIONS, TOPICS, UPLOADS
from streams.kafka import topic_admin
from streams.local.broker import LocalBroker, free_port
from streams.worker import supervise
from streams.worker.health import Status, statuses
from tests.support.brokers import broker_in, settings_for, share_labels
from tests.support.events import liked, uploaded
from tests.support.paths import ROOT
from tests.support.qdrant_stub import SILENCE, QdrantStub, aside
from tests.support.system import LIMIT_S, everything, publish, wait_until

pytestmark = [pytest.mark.connected, pytest.mark.slow]
NUMBER = re.compile(r"\d[\d.:,-]*")
SEVERE = re.compile(r"\b(?:WARNING|ERROR|CRITICAL)\b")
PROCESSES = ("api", "encoder", "indexer", "learner", "profiles", "ranker")


class Up:
    """`freshet up` on a broker and an index of its own, and what it has said."""

    def __init__(self, settings: Settings, broker: LocalBroker, index: QdrantStub, folder: Path) -> None:
        self.settings, self.broker, self.index = settings, broker, index
        self.log, self.events = folder / "up.log", 0
        command = [sys.executable, "-m", "streams.cli", "up"]
        with self.log.open("wb") as output:
            environ = supervise.environment(settings)
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environ, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    def lines(self) -> list[str]:
        return self.log.read_text("utf-8").splitlines()

    def worker(self, agent: str) -> Status | None:
        return next((one for one in statuses(self.settings) if one.agent == agent), None)

    def somebody_likes(self) -> str:
        """Publish a new person's like; gives who it is."""
        self.events += 1
        user = f"person-{self.events}"
        publish(self.settings, FEEDBACK, [(user, feedback.encode(liked(user, "v1", int(time.time() * 1000))))])
        return user

    def answers(self) -> bool:
        """Whether a new person's like comes to a slate over HTTP, in a quarter of a minute."""
        try:
            user = self.somebody_likes()
        except Exception:  # whatever kafka-python raises while a broker comes back
            return False
        end = time.monotonic() + 15
        while time.monotonic() < end:
            try:
                url = f"http://127.0.0.1:{self.settings.api_port}/v1/users/{user}/slate"
                if httpx.get(url).json().get("cold") is False:
                    return True
            except (httpx.HTTPError, ValueError):
                pass
            time.sleep(0.2)
        return False


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("up")
    with broker_in(folder / "broker") as broker, aside(QdrantStub()) as index:
        given = {"prefix": "troubles.", "data_dir": folder / "data", "qdrant_url": index.url, "api_port": free_port()}
        share_labels(folder / "data")
        running = Up(settings_for(broker, **given), broker, index, folder)
        try:
            wait_until("the topics are there", lambda: not topic_admin.plan(running.settings, TOPICS))
            publish(running.settings, UPLOADS, [(f"v{n}", videos.encode(uploaded(f"v{n}"))) for n in range(30)])
            wait_until("all are ready", lambda: any("workers are ready after" in one for one in running.lines()))
            wait_until("it answers", running.answers)
            yield running
        finally:
            running.process.terminate()
            running.process.wait(LIMIT_S)
        assert "all stopped" in running.lines()  # threads copy what the agents said last, maybe after it


SLOW_GROUP = ("no assignment: its group",)
BUSY = (*SLOW_GROUP, "the vector index")  # is slow, on a machine with too much to do


def said(up: Up, before: int, besides: Sequence[str] = BUSY) -> list[str]:
    """What was said since: no traceback, and of each process one line at most that warns of something.

    besides  of other troubles, which may come at the same time
    """
    lines = up.lines()[before:]
    print(*lines, sep="\n")
    assert not [one for one in lines if "Traceback" in one]
    warned = Counter(
        one.partition(" ")[0] for one in lines if SEVERE.search(one) and not any(words in one for words in besides)
    )
    assert {process: count for process, count in warned.items() if count > 1} == {}
    return lines


def processes_that_say(lines: Iterable[str], words: str) -> list[str]:
    """Of whom there is a line with these words, one for each line."""
    return sorted(one.partition(" ")[0] for one in lines if words in one)


def wait_until_said(up: Up, before: int, words: str, processes: Iterable[str]) -> None:
    """Return when each of these processes has said so since."""
    missing = {*processes}
    wait_until(f"all say: {words}", lambda: missing <= {*processes_that_say(up.lines()[before:], words)})


def test_an_agent_that_is_killed_is_named_and_started_again(up: Up) -> None:
    before, ranker = len(up.lines()), up.worker("ranker")
    assert ranker
    os.kill(ranker.pid, signal.SIGKILL)
    wait_until("it is ready again", lambda: "ranker is ready again" in up.lines()[before:])
    wait_until("it answers", up.answers)
    assert "ranker ended by SIGKILL; it is started again in 1 s" in said(up, before)


def test_a_broker_that_is_gone_is_named_and_found_again(up: Up) -> None:
    before = len(up.lines())
    gone, back = "the broker does not answer, nothing is committed", "the broker answers again, after"
    up.broker.kill()
    time.sleep(30)
    wait_until_said(up, before, gone, PROCESSES)
    up.broker.start()
    wait_until("it answers", up.answers)
    wait_until_said(up, before, back, PROCESSES)
    lines = said(up, before)
    assert processes_that_say(lines, gone) == [*PROCESSES]
    assert processes_that_say(lines, back) == [*PROCESSES]


def test_an_index_that_is_gone_is_named_and_used_again(up: Up) -> None:
    before = len(up.lines())
    up.index.always = SILENCE
    wait_until("it answers", up.answers)
    publish(up.settings, UPLOADS, [("late", videos.encode(uploaded("late")))])
    wait_until("it is named", lambda: any("videos wait for the index" in one for one in up.lines()[before:]))
    up.index.always = None
    wait_until("it takes videos", lambda: any("takes videos again" in one for one in up.lines()[before:]))
    said(up, before, besides=SLOW_GROUP)


def test_a_disk_that_is_full_is_named_and_written_to_again(up: Up) -> None:
    before, pids, agents = len(up.lines()), descendants(up.process.pid), sorted({*PROCESSES} - {"api"})
    unwritten, written = "cannot be written, the agent goes on without it", "is written again"
    unapplied, applied = "could not be applied, and is tried again", "is read on from what is kept by now"
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    for _ in range(3):
        up.somebody_likes()
    wait_until_said(up, before, unwritten, agents)
    wait_until_said(up, before, unapplied, ["api"])
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    wait_until("it answers", up.answers)
    wait_until_said(up, before, written, agents)
    wait_until_said(up, before, applied, ["api"])
    lines = said(up, before)
    assert processes_that_say(lines, unwritten) == processes_that_say(lines, written) == agents
    assert processes_that_say(lines, unapplied) == processes_that_say(lines, applied) == ["api"]
    assert everything(up.settings, RECOMMENDATIONS)


def descendants(pid: int) -> list[int]:
    """The processes below one."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(one) for one in found] + [each for one in found for each in descendants(int(one))]
