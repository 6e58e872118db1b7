"""The drill: the state topics are backed up, the broker is lost with its disk, and another one takes up from there."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka.admin import KafkaAdminClient
from pydantic import SecretStr

from schemas.messages import feedback
from schemas.settings.model import Settings
from schemas.topics import FEATURES, FEEDBACK, PROFILES, RECOMMENDATIONS, STATE, TOPICS
from streams.errors import OperatorError
from streams.kafka import topic_admin
from streams.local.broker import LocalBroker
from streams.logs.backup import MANIFEST, back_up, opened
from streams.logs.digest import live_digest
from streams.logs.restore import restore
from streams.ranking.slates import placeless
from tests.integration.test_forget import CROWD, all_answered, encode, newest, reasons, say, watch
from tests.integration.test_learning import learned
from tests.integration.test_poison import HOME, put_poison
from tests.support.brokers import CACHE, broker_in
from tests.support.command import freshet
from tests.support.events import liked, minute
from tests.support.system import agents, everything, own_topics, prefix_of, publish, slates, wait_until

pytestmark = pytest.mark.connected

GONE = "gone"
AGENTS = ("profiles", "ranker", "learner")
BEFORE, SINCE = 20, 3  # events of each person, before the backup and after it


@pytest.fixture
def lost(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Settings, LocalBroker]]:
    """A system on a broker of its own, which the test takes away with its data."""
    with broker_in(tmp_path / "lost") as broker:
        prefix, key = prefix_of(request.node.nodeid), SecretStr("a secret")
        folders = {"data_dir": tmp_path, "cache_dir": CACHE.settings.cache_dir}
        settings = Settings(bootstrap=broker.bootstrap, prefix=prefix, erasure_key=key, **folders)
        topic_admin.apply(settings, TOPICS, print)
        yield settings, broker


def made_again(settings: Settings, folder: Path) -> dict[str, Any]:
    """The slate of everybody, made of what the topics hold at rest; nobody's has been made yet."""
    with agents(settings, folder, "ranker"):
        wait_until("everybody has a slate", lambda: {one.user_id for one in slates(settings)} == {*CROWD})
    return {one.user_id: placeless(one) for one in slates(settings)}


def without_slates(settings: Settings) -> None:
    """Delete all slates, so that they are made again."""
    with KafkaAdminClient(bootstrap_servers=settings.bootstrap) as client:
        client.delete_topics([RECOMMENDATIONS.full(settings.prefix)])
    topic_admin.apply(settings, TOPICS, print)


def test_a_lost_broker_is_replaced_by_a_backup_and_a_recording(
    lost: tuple[Settings, LocalBroker], broker: LocalBroker, tmp_path: Path
) -> None:
    settings, old_broker = lost
    folder, recording, learned_before = tmp_path / "backup", tmp_path / "since.jsonl", BEFORE * (len(CROWD) + 1)
    with agents(settings, tmp_path, *AGENTS):
        encode(settings)
        all_answered(settings, watch(settings, [*CROWD, GONE], 0, count=BEFORE))
        say(settings, GONE, minute(100))
        wait_until("one is erased", lambda: newest(settings, PROFILES, GONE) is None)
        wait_until("all is learned", lambda: learned(settings) == learned_before)
    without_slates(settings)
    shown, digest = made_again(settings, tmp_path), live_digest(settings)
    done = freshet(settings, "backup", folder, "--json")
    assert done.returncode == 0, done.stderr
    assert [*json.loads(done.stdout)["records"]] == [topic.name for topic in STATE]
    with agents(settings, tmp_path, *AGENTS):  # what comes now is in the recording alone
        all_answered(settings, watch(settings, CROWD, 300, count=SINCE))
    end = live_digest(settings)
    assert freshet(settings, "record", recording).returncode == 0
    old_broker.kill()
    shutil.rmtree(old_broker.folder)

    new = settings.model_copy(update={"bootstrap": broker.bootstrap})
    topic_admin.apply(new, TOPICS, print)
    done = freshet(new, "restore", folder)
    assert done.returncode == 0, done.stderr
    assert live_digest(new) == digest != end
    assert made_again(new, tmp_path) == shown
    assert freshet(new, "send", recording).returncode == 0  # all of it: what counted before is refused
    with agents(new, tmp_path, *AGENTS):
        wait_until("what came after the backup counts, once", lambda: live_digest(new) == end)
        wait_until("and is learned once", lambda: learned(new) == learned_before + SINCE * len(CROWD))
    assert set(reasons(new)) == {b"erased"}  # the events of who was erased came again


@pytest.fixture
def filled(settings: Settings, tmp_path: Path) -> Path:
    """A backup of some videos and nobody."""
    encode(settings)
    back_up(settings, tmp_path / "backup")
    return tmp_path / "backup"


def emptied(broker: LocalBroker, folder: Path, test: str, **changes: Any) -> Settings:
    """New topics under another prefix, as a rehearsal has them."""
    return own_topics(broker.bootstrap, folder, f"{test}-again").model_copy(update=changes)


def test_a_backup_is_rehearsed_under_another_prefix_with_every_byte(
    settings: Settings, filled: Path, broker: LocalBroker, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    other = emptied(broker, tmp_path, request.node.nodeid)
    restore(other, filled)
    assert [one[1:] for one in everything(other, FEATURES)] == [one[1:] for one in everything(settings, FEATURES)]
    with pytest.raises(OperatorError, match="was in use"):
        restore(other, filled)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda folder: (folder / MANIFEST).unlink(), "no finished backup"),
        (lambda folder: (folder / "profiles.v1.jsonl").unlink(), "is missing"),
        (lambda folder: (folder / "features.v1.jsonl").open("ab").write(b"\n"), "not as it was written"),
        (lambda folder: _edit(folder, '"format": 1', '"format": 9'), "knows 1"),
        (lambda folder: _edit(folder, '"topic": "trends.v1"', '"topic": "trends.v2"'), "lacks trends.v1"),
        (lambda folder: _edit(folder, '"partitions": 4', '"partitions": 5'), "had 5 when it was backed up"),
    ],
    ids=["no manifest", "no file", "another byte", "another format", "no trends", "other partitions"],
)
def test_what_cannot_be_restored_is_refused_before_anything_is_written(
    damage: Any, why: str, filled: Path, broker: LocalBroker, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    other = emptied(broker, tmp_path, request.node.nodeid)
    damage(filled)
    with pytest.raises(OperatorError, match=why) as told:
        restore(other, filled)
    assert told.value.remedy
    assert not everything(other, FEATURES)


def _edit(folder: Path, old: str, new: str) -> None:
    text = (folder / MANIFEST).read_text("utf-8")
    assert old in text
    (folder / MANIFEST).write_text(text.replace(old, new), "utf-8")


def test_nothing_is_restored_under_running_agents(
    settings: Settings, filled: Path, broker: LocalBroker, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    other = emptied(broker, tmp_path, request.node.nodeid)
    with agents(other, tmp_path, "profiles"):
        publish(other, FEEDBACK, [("ana", feedback.encode(liked("ana", "v1")))])
        wait_until("it works", lambda: bool(everything(other, PROFILES)))
        with pytest.raises(OperatorError, match=r"Agents run .*: profiles"):
            restore(other, filled)


def test_a_folder_with_something_in_it_takes_no_backup(settings: Settings, filled: Path) -> None:
    with pytest.raises(OperatorError, match="not empty"):
        back_up(settings, filled)


def test_a_batch_that_cannot_be_read_is_named_by_backup_manifest_and_restore(
    settings: Settings, filled: Path, broker: LocalBroker, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    put_poison(settings, [FEATURES])
    folder = tmp_path / "another"
    made = freshet(settings, "backup", folder, "--json")
    assert made.returncode == 1, made.stderr
    told, (named,) = json.loads(made.stdout), next(one.unreadable for one in opened(folder).topics if one.unreadable)
    assert told["unreadable"] == [named] and named.startswith(f"{FEATURES.full(settings.prefix)}[{HOME}]: offsets ")
    assert told["records"]["features.v1"] > opened(filled).topics[0].records  # what is whole is there
    other = emptied(broker, tmp_path, request.node.nodeid)
    done = freshet(other, "restore", folder)
    assert done.returncode == 0 and f"the backup lacks {named}" in done.stderr
    assert len(everything(other, FEATURES)) == told["records"]["features.v1"]
