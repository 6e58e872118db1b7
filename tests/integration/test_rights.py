"""Real Kafka that gives a worker no right to a topic, from its start or later."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka.admin import KafkaAdminClient

from schemas.messages import feedback
from schemas.settings.model import Settings
from schemas.topics import FEATURES, FEEDBACK, PROFILES, TRENDS
from streams.worker.health import statuses
from tests.integration.test_access import PASSWORDS, RIGHTS, put
from tests.support.acls import give, listed, take
from tests.support.brokers import settings_for
from tests.support.command import freshet
from tests.support.events import NOON, watched
from tests.support.secured_broker import Secured, secured_broker
from tests.support.system import agents, everything, wait_until

pytestmark = pytest.mark.connected


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured_broker(tmp_path_factory.mktemp("kafka"), PASSWORDS, RIGHTS) as secured:
        with KafkaAdminClient(bootstrap_servers=secured.broker.bootstrap) as client:
            give(client, listed())
        yield secured


def test_a_right_to_read_that_is_taken_away_is_waited_for(kafka: Secured, tmp_path: Path) -> None:
    prefixed = {"prefix": "freshet.", "data_dir": tmp_path}
    who = {part: kafka.as_user(part, "scram-sha-512", **prefixed) for part in ("admin", "profiles", "publisher")}
    control, topic = settings_for(kafka.broker), FEEDBACK.full("freshet.")
    assert freshet(who["admin"], "topics", "apply").returncode == 0
    reading = [
        one for one in listed() if one.principal == "User:profiles" and one.resource_pattern.resource_name == topic
    ]

    def publish_and_wait(user: str) -> None:
        put(who["publisher"], topic, {user: feedback.encode(watched(user, "v1", NOON))})
        wait_until("it is folded", lambda: user.encode() in {one.key for one in everything(control, PROFILES)})

    with (
        agents(who["profiles"], tmp_path, "profiles") as running,
        KafkaAdminClient(bootstrap_servers=kafka.broker.bootstrap) as admin,
    ):
        publish_and_wait("before")
        take(admin, reading)
        try:
            wait_until("the right is missed", lambda: [f"the right to read {topic}"] in waits_of(who["profiles"]))
        finally:
            give(admin, reading)
        publish_and_wait("after")
        wait_until("it is ready", lambda: waits_of(who["profiles"]) == [[]])
        assert running.alive(), running.said("profiles")
    assert running.said("profiles").count("may not be read any more") == 1
    assert f"{topic} may be read again" in running.said("profiles")


def test_a_worker_that_starts_without_a_right_waits_for_it(kafka: Secured, tmp_path: Path) -> None:
    parts = ("admin", "profiles", "ranker", "encoder", "publisher")
    who = {part: kafka.as_user(part, "scram-sha-512", prefix="freshet.", data_dir=tmp_path / part) for part in parts}
    control = settings_for(kafka.broker)
    assert freshet(who["admin"], "topics", "apply").returncode == 0
    lacked = {"profiles": TRENDS.full("freshet."), "ranker": FEATURES.full("freshet.")}
    reading = [
        one
        for one in listed()
        for part, topic in lacked.items()
        if (one.principal, one.resource_pattern.resource_name) == (f"User:{part}", topic)
    ]
    with KafkaAdminClient(bootstrap_servers=kafka.broker.bootstrap) as admin:
        take(admin, reading)
        try:
            with (
                agents(who["profiles"], tmp_path, "profiles") as profiles,
                agents(who["ranker"], tmp_path, "ranker") as ranker,
            ):
                for part, topic in lacked.items():
                    wait_until(f"{part} says so", lambda s=who[part], t=topic: waits_for_reading(s, t))
                give(admin, reading)
                put(who["publisher"], FEEDBACK.full("freshet."), {"late": feedback.encode(watched("late", "v1", NOON))})
                wait_until("it is folded", lambda: b"late" in {one.key for one in everything(control, PROFILES)})
                wait_until("the catalogue is read", lambda: "videos read in" in ranker.said("ranker"))
                assert profiles.alive(), profiles.said("profiles")
                assert ranker.alive(), ranker.said("ranker")
        finally:
            give(admin, reading)
    for part, said in (("profiles", profiles.said("profiles")), ("ranker", ranker.said("ranker"))):
        assert f"the right to read {lacked[part]}" in said or f"{lacked[part]} may not be read" in said
        assert "Traceback" not in said


def waits_for_reading(settings: Settings, topic: str) -> bool:
    return any(f"the right to read {topic}" in waits for waits in waits_of(settings))


def waits_of(settings: Settings) -> list[list[str]]:
    return [list(one.waits_for) for one in statuses(settings)]
