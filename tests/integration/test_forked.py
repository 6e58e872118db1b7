"""A process forked off a warm one behaves as one that was started: status, signals, output, and its end with ours."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from schemas.agents import Agent
from schemas.settings.model import Settings
from streams.app import BUILDERS
from streams.metrics.measures import Measures
from streams.worker import supervise
from tests.support.brokers import share_labels
from tests.support.command import LIMIT_S, freshet
from tests.support.forked import forked
from tests.support.models import real_models
from tests.support.paths import ROOT
from tests.support.system import wait_until

pytestmark = pytest.mark.connected

OURS = ("encoders", "ranker", "schemas", "streams")
STARTS_ONE = """
import time
from pathlib import Path
from tests.support.forked import forked
print(forked(time.sleep, [600], {}, Path(r"%s")).pid, flush=True)
time.sleep(600)
"""


def imported_to_build(agent: str, folder: str) -> None:
    """Print what is imported only when an agent is built."""
    before = set(sys.modules)
    server = "http://127.0.0.1:1" if agent == Agent.INDEXER else ""
    settings = Settings(data_dir=Path(folder), cache_dir=real_models().parents[1], qdrant_url=server)
    BUILDERS[agent](settings, Measures())
    print([name for name in sorted(sys.modules.keys() - before) if name.split(".")[0] in OURS])


def say_and_end(status: int) -> None:
    print("on stdout")
    print("on stderr", file=sys.stderr)
    raise SystemExit(status)


@pytest.mark.parametrize("agent", list(Agent))
def test_all_that_an_agent_imports_is_there_before_the_fork(agent: Agent, tmp_path: Path) -> None:
    share_labels(tmp_path)
    log = tmp_path / "log"
    process = forked(imported_to_build, [agent.value, str(tmp_path)], dict(os.environ), log)
    assert (process.wait(LIMIT_S), log.read_text("utf-8")) == (0, "[]\n")


def test_status_signals_and_output_are_those_of_a_process(tmp_path: Path) -> None:
    out, err = tmp_path / "out", tmp_path / "err"
    assert forked(say_and_end, [3], {}, out, err).wait(LIMIT_S) == 3
    assert (out.read_text(), err.read_text()) == ("on stdout\n", "on stderr\n")
    sleeper = forked(time.sleep, [600], {}, out)
    assert sleeper.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        sleeper.wait(0.1)
    sleeper.terminate()
    assert sleeper.wait(LIMIT_S) == -signal.SIGTERM == sleeper.returncode
    sleeper.kill()  # which has ended: nothing happens


def test_a_forked_command_writes_what_a_started_one_writes(tmp_path: Path) -> None:
    settings = Settings(bootstrap="127.0.0.1:1", data_dir=tmp_path, broker_wait_s=0)
    warm, cold = (freshet(settings, "topics", "plan", cold=cold) for cold in (False, True))
    assert (warm.returncode, warm.stdout, warm.stderr, warm.args) == (1, cold.stdout, cold.stderr, cold.args)
    assert cold.returncode == 1 and "127.0.0.1:1" in cold.stderr


def test_the_environment_is_the_given_one(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRESHET_SEED", "5")  # of the tests, which `supervise.environment` replaces
    shown = freshet(settings, "config", "show", "--json").stdout
    assert f'"bootstrap":{{"value":"{settings.bootstrap}","source":"environment"}}' in shown
    assert '"seed":{"value":0,' in shown
    assert "FRESHET_SEED" in supervise.environment(settings)


def test_a_process_ends_with_the_tests_that_were_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTS_ONE % (tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as tests:
        assert tests.stdout
        pid = int(tests.stdout.readline())
        tests.kill()
    wait_until("it has ended", lambda: not Path(f"/proc/{pid}").exists())
