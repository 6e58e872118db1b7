"""`freshet doctor` on a real Kafka: unreachable by its own address, closed to us, other topics, another time."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.settings.model import Settings
from schemas.topics import FEEDBACK, TOPICS
from streams.kafka import topic_admin
from streams.kafka.cluster import controller_time_ms
from streams.local.broker import local_broker
from streams.operations.doctor.finding import Finding, run_checks
from streams.operations.doctor.kafka import KafkaChecks
from tests.support.brokers import CACHE, needs_java_and_maven, settings_for
from tests.support.secured_broker import Secured, secured_broker

pytestmark = pytest.mark.connected
PASSWORDS = {"root": "pass-root-7f3a", "other": "pass-other-7f3a"}
UNREACHABLE = "127.0.0.1:1"


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured_broker(tmp_path_factory.mktemp("kafka"), PASSWORDS) as secured:
        yield secured


def looked(settings: Settings) -> dict[str, list[Finding]]:
    """Findings by check, of broker, topics and clock."""
    checks = KafkaChecks(settings)
    names = {"broker": checks.check_broker, "topics": checks.check_topics, "clock": checks.check_clock}
    found: dict[str, list[Finding]] = {name: [] for name in names}
    for one in run_checks(names.items()):
        found[one.check].append(one)
    return found


def test_a_sound_broker_has_nothing_wrong(settings: Settings) -> None:
    assert {one.level for findings in looked(settings).values() for one in findings} == {"ok"}


def test_the_clusters_clock_is_that_of_its_machine(settings: Settings) -> None:
    there = controller_time_ms(settings)
    assert there is not None
    assert abs(there - 1000 * time.time()) < 60_000


@pytest.mark.parametrize(("by_s", "level", "said"), [(3600, "fail", "ahead of"), (-3600, "fail", "behind")])
def test_a_clock_that_is_an_hour_off_is_named(settings: Settings, by_s: float, level: str, said: str) -> None:
    checks = KafkaChecks(settings)
    assert [one.level for one in checks.check_broker()] == ["ok"]
    (found,) = checks.check_clock(lambda: time.time() + by_s)
    assert found.level == level
    assert said in found.found and found.found.startswith("this machine's clock is 3") and "NTP" in found.remedy


def test_a_missing_topic_is_named(settings: Settings) -> None:
    settings = settings.model_copy(update={"prefix": f"{settings.prefix}other."})
    topic_admin.apply(settings, [one for one in TOPICS if one != FEEDBACK], print)
    (found,) = looked(settings)["topics"]
    assert found.level == "fail" and f"{FEEDBACK.full(settings.prefix)}: topic is missing" in found.found
    assert "freshet topics apply" in found.remedy


def test_topics_with_other_partitions_are_named(settings: Settings) -> None:
    other = settings.model_copy(update={"partitions": settings.partitions + 3})
    found = looked(other)["topics"]
    assert {one.level for one in found} == {"fail"}
    assert any(f"partitions is {settings.partitions}, wanted {other.partitions}" in one.found for one in found)
    assert "more" in found[-1].found and "freshet topics plan" in found[-1].remedy


def test_a_wrong_password_is_named_and_not_shown(kafka: Secured) -> None:
    settings = kafka.as_user("root", "scram-sha-256", kafka_password=PASSWORDS["other"])
    found = looked(settings)
    (broker,) = found["broker"]
    assert "does not accept user 'root' with scram-sha-256" in broker.found
    assert "FRESHET_KAFKA_USER" in broker.remedy
    assert {one.level for one in found["topics"] + found["clock"]} == {"warn"}
    assert not [word for word in PASSWORDS.values() if word in str(found)]


def test_an_advertised_address_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    needs_java_and_maven()
    extra = {"advertised.listeners": f"PLAINTEXT://{UNREACHABLE}"}
    with local_broker(tmp_path, CACHE.settings.cache_dir, extra=extra) as broker:
        found = looked(settings_for(broker))
        broker.kill()
    (one,) = found["broker"]
    assert one.level == "fail" and "advertised.listeners" in one.remedy
    assert one.found.startswith(f"{broker.bootstrap} answers, but tells its clients to go to {UNREACHABLE}")
    assert {one.level for one in found["topics"] + found["clock"]} == {"warn"}
