"""What the documentation shows, run as it stands there: foreign clients, and Faust's own command line."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from schemas.messages import videos
from schemas.messages.recommendations import decode_recommendation
from schemas.settings.model import Settings
from schemas.topics import DEAD_LETTERS, FEATURES, RECOMMENDATIONS, TOPICS, UPLOADS
from streams.kafka import topic_admin
from streams.local.broker import LocalBroker
from streams.worker import processes, supervise
from tests.support.brokers import CACHE, share_labels
from tests.support.documented_scripts import scripts_of
from tests.support.events import uploaded
from tests.support.paths import ROOT
from tests.support.system import LIMIT_S, Agents, agents, everything, publish, wait_until

pytestmark = pytest.mark.connected

PAGES = [ROOT / "docs" / name for name in ("kafka-clients.md", "publishing.md", "consuming.md")]
SCRIPTS = {name: script for page in PAGES for name, script in scripts_of(page).items()}


def run_script(folder: Path, name: str, *arguments: str) -> str:
    """What a documented script prints; it has to end without an error."""
    script = folder / name
    script.write_text(SCRIPTS[name], "utf-8")
    command = [sys.executable, str(script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def system(broker: LocalBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agents]:
    """Freshet with ten videos and its default topic names, which no other test has on the session's broker."""
    folder = tmp_path_factory.mktemp("clients")
    settings = Settings(bootstrap=broker.bootstrap, data_dir=folder, cache_dir=CACHE.settings.cache_dir)
    topic_admin.apply(settings, TOPICS, print)
    with agents(settings, folder, "profiles", "encoder", "ranker") as running:
        made = [uploaded(f"v{n}", title=f"Lesson {n} on the violin") for n in range(10)]
        publish(settings, UPLOADS, [(one.video_id, videos.encode(one)) for one in made])
        wait_until("the videos are encoded", lambda: len(everything(settings, FEATURES)) == 10)
        yield running


@pytest.mark.parametrize("name", ["kafka_python_client.py", "confluent_kafka_client.py"])
def test_a_documented_client_publishes_an_event_and_reads_its_slate(system: Agents, tmp_path: Path, name: str) -> None:
    printed = run_script(tmp_path, name, system.settings.bootstrap, f"reader-of-{name}", "v3")
    version, slate = printed.strip().split(" ", 1)
    assert version == "1"
    assert "'v1'" in slate
    assert "'v3'" not in slate


def test_what_the_documented_publisher_sends_reaches_the_documented_store(system: Agents, tmp_path: Path) -> None:
    settings, user = system.settings, "somebody-who-publishes"
    assert run_script(tmp_path, "publisher.py", settings.bootstrap, user, "v-osaka") == "all confirmed\n"
    wait_until("both events are answered", lambda: 2 in versions_of(settings, user))
    wait_until("the video is encoded", lambda: "v-osaka" in {r.key.decode() for r in everything(settings, FEATURES)})
    file = tmp_path / "slates.db"
    for group in ("shop", "shop-again"):  # what is read twice changes nothing
        run_script(tmp_path, "slate_store.py", settings.bootstrap, group, str(file))
        with closing(sqlite3.connect(file)) as store:
            rows = store.execute("SELECT version, slate FROM slates WHERE user_id = ?", (user,)).fetchall()
        assert [version for version, _ in rows] == [2]
        assert decode_recommendation(rows[0][1]).user_id == user
    assert everything(settings, DEAD_LETTERS) == []


def versions_of(settings: Settings, user: str) -> list[int]:
    slates = [one for one in everything(settings, RECOMMENDATIONS) if one.key == user.encode()]
    return [decode_recommendation(one.value).version for one in slates if one.value]


@pytest.mark.parametrize("name", ["profiles", "encoder", "ranker", "learner"])
def test_faust_starts_each_agent_by_its_own_command_line(system: Agents, tmp_path: Path, name: str) -> None:
    environ = supervise.environment(
        system.settings.model_copy(update={"prefix": f"{name}-by-faust.", "data_dir": tmp_path})
    )
    topic_admin.apply(system.settings.model_copy(update={"prefix": f"{name}-by-faust."}), TOPICS, print)
    share_labels(tmp_path)
    log = tmp_path / "faust.log"
    faust = Path(sys.executable).with_name("faust")
    with log.open("wb") as output:
        process = processes.start([str(faust), "-A", f"streams.app:{name}", "worker", "-l", "info"], output, environ)
    try:
        wait_until(f"{name} is ready", lambda: "Worker ready" in log.read_text("utf-8"))
    finally:
        status = processes.stop(process, LIMIT_S)
    assert status == 0
