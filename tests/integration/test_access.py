"""Real Kafka with passwords, certificates and rights: who is let in, what a refusal says, and what never shows."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient
from kafka.errors import TopicAuthorizationFailedError

from schemas.messages import feedback, videos
from schemas.messages.recommendations import decode_recommendation
from schemas.settings.model import Settings
from schemas.topics import (
    DEAD_LETTERS,
    FEEDBACK,
    PROFILES,
    RECOMMENDATIONS,
    TOPICS,
    UPLOADS,
    WEIGHTS,
)
from streams.errors import OperatorError
from streams.kafka import topic_admin
from streams.kafka.probe import wait_for_authenticated_broker
from streams.kafka.security import kafka_python_options, librdkafka_options
from tests.integration.test_api import served
from tests.support.acls import give, listed
from tests.support.brokers import settings_for
from tests.support.certificates import Authority
from tests.support.command import freshet
from tests.support.events import NOON, uploaded, watched
from tests.support.qdrant_stub import QdrantStub, aside, indexed
from tests.support.secured_broker import KEY_PASSWORD, Secured, secured_broker
from tests.support.system import LIMIT_S, agents, everything, wait_until

pytestmark = pytest.mark.connected

PARTS = ("admin", "profiles", "encoder", "indexer", "ranker", "learner", "operator", "publisher", "reader", "api")
PASSWORDS = {user: f"pass-{user}-7f3a" for user in ("root", *PARTS)}
SECRETS = (KEY_PASSWORD, *PASSWORDS.values())
RIGHTS = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS;User:root;User:CN=freshet",
}
WAYS = ("plain", "scram-sha-256", "scram-sha-512", "plain over TLS", "scram over TLS", "TLS", "certificate")


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured_broker(tmp_path_factory.mktemp("kafka"), PASSWORDS, RIGHTS) as secured:
        with KafkaAdminClient(bootstrap_servers=secured.broker.bootstrap) as client:
            give(client, listed())
        yield secured


def by(kafka: Secured, way: str, **changes: object) -> Settings:
    """Settings of a super user who comes by a way."""
    match way:
        case "plain over TLS":
            return kafka.as_user("root", "plain", "BOTH", **changes)
        case "scram over TLS":
            return kafka.as_user("root", "scram-sha-256", "BOTH", **changes)
        case "TLS":
            return kafka.settings("TLS", kafka_ca=str(kafka.authority.certificate), **changes)
        case "certificate":
            return kafka.by_certificate(**changes)
        case _:
            return kafka.as_user("root", way, **changes)


def shows_a_secret(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text]


# ---- every way in, for every client ----


@pytest.mark.parametrize("way", WAYS)
def test_agents_commands_and_tests_come_in_by_the_same_settings(
    kafka: Secured, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    settings = by(kafka, way, prefix=f"way-{WAYS.index(way)}.")
    topic_admin.apply(settings, TOPICS, print)
    name = FEEDBACK.full(settings.prefix)
    producer = Producer(librdkafka_options(settings))
    producer.produce(name, b"by librdkafka", partition=0)
    assert producer.flush(30) == 0
    del producer  # or it goes on looking for its broker after the test
    other = KafkaProducer(**kafka_python_options(settings))
    other.send(name, b"by kafka-python", partition=0).get(LIMIT_S)
    other.close()
    consumer = Consumer({**librdkafka_options(settings), "group.id": "way", "auto.offset.reset": "earliest"})
    consumer.subscribe([name])
    values = {message.value() for message in consumer.consume(2, 30)}
    consumer.close()
    assert values == {b"by librdkafka", b"by kafka-python"}
    assert not shows_a_secret(caplog.text)


@pytest.mark.parametrize("way", ["scram over TLS", "certificate"])
def test_an_agent_and_its_commands_work_behind_passwords_and_certificates(
    kafka: Secured, way: str, tmp_path: Path
) -> None:
    settings = by(kafka, way, prefix=f"agent-{WAYS.index(way)}.", data_dir=tmp_path, log_level="DEBUG")
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"".join(feedback.encode(watched(user, "v1", NOON)) + b"\n" for user in ("ana", "ben")))
    topic_admin.apply(settings, TOPICS, print)
    sent = freshet(settings, "send", log, FRESHET_DEBUG="1")
    assert sent.returncode == 0, sent.stderr
    with agents(settings, tmp_path, "profiles") as running:
        control = settings_for(kafka.broker, prefix=settings.prefix)
        wait_until("both are remembered", lambda: len(everything(control, PROFILES)) == 2)
        digest = freshet(settings, "digest", "--json", FRESHET_DEBUG="1")
    assert json.loads(digest.stdout)["profiles"] == 2
    said = "".join(ran.stdout + ran.stderr for ran in (sent, digest))
    assert not shows_a_secret(said + running.said("profiles"))
    assert "[DEBUG]" in running.said("profiles")


# ---- refusals ----


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("wrong password, plain", "does not accept user 'root' with plain"),
        ("wrong password, scram", "does not accept user 'root' with scram-sha-512"),
        ("unknown user", "does not accept user 'nobody' with scram-sha-512"),
        ("wrong authority", "is not trusted: unable to get local issuer certificate"),
        ("wrong host name", "is not trusted: Hostname mismatch, certificate is not valid for 'localhost'"),
        ("no certificate", "does not accept our certificate"),
        ("a stranger's certificate", "does not accept our certificate"),
        ("wrong key password", "The certificates for Kafka cannot be used"),
        (
            "plain text behind TLS",
            "did not accept the connection within 5 s",
        ),  # how the connection ends is a race at the broker
    ],
)
def test_a_refusal_is_one_sentence_and_comes_at_once(kafka: Secured, way: str, said: str, tmp_path: Path) -> None:
    settings = refused_by(kafka, way, tmp_path)
    with pytest.raises(OperatorError) as caught:
        wait_for_authenticated_broker(settings, print)
    assert said in caught.value.cause
    assert "\n" not in caught.value.cause
    assert "FRESHET_KAFKA_" in caught.value.remedy
    assert not shows_a_secret(str(caught.value))


def refused_by(kafka: Secured, way: str, folder: Path) -> Settings:
    ca = {"kafka_ca": str(kafka.authority.certificate)}
    match way:
        case "wrong password, plain":
            return kafka.as_user("root", "plain", kafka_password=PASSWORDS["admin"])
        case "wrong password, scram":
            return kafka.as_user("root", "scram-sha-512", "BOTH", kafka_password=PASSWORDS["admin"])
        case "unknown user":
            return kafka.as_user("root", "scram-sha-512", kafka_user="nobody")
        case "wrong authority":
            return kafka.settings("TLS", kafka_ca=str(Authority(folder, "other").certificate))
        case "wrong host name":
            return kafka.settings("TLS", **ca, bootstrap=kafka.address("TLS", "localhost"))
        case "no certificate":
            return kafka.settings("MUTUAL", **ca)
        case "a stranger's certificate":
            stranger = Authority(folder, "other").sign("freshet")
            files = {"kafka_certificate": str(stranger.certificate), "kafka_key": str(stranger.key)}
            return kafka.by_certificate(**files, kafka_key_password="")
        case "wrong key password":
            return kafka.by_certificate(kafka_key_password=PASSWORDS["root"])
        case _:
            return kafka.settings("TLS", **ca, bootstrap=kafka.broker.bootstrap, broker_wait_s=5)


@pytest.mark.parametrize("command", [("dlq", "ls"), ("worker", "profiles")])
def test_a_wrong_password_ends_commands_and_workers_with_one_line(kafka: Secured, command: tuple[str, ...]) -> None:
    settings = kafka.as_user("root", "scram-sha-256", kafka_password=PASSWORDS["admin"], log_level="DEBUG")
    ran = freshet(settings, *command)
    assert ran.returncode == 1
    cause, remedy = ran.stderr.splitlines()
    assert cause.startswith(f"freshet: Kafka at {settings.bootstrap} does not accept user 'root' with scram-sha-256")
    assert remedy.startswith("  -> Check FRESHET_KAFKA_USER, _PASSWORD")
    assert not shows_a_secret(ran.stdout + ran.stderr)


# ---- rights ----


def test_every_part_works_with_the_rights_that_the_page_lists_and_no_more(kafka: Secured, tmp_path: Path) -> None:
    who = {part: kafka.as_user(part, "scram-sha-512", data_dir=tmp_path / part, log_level="DEBUG") for part in PARTS}
    applied = freshet(who["admin"], "topics", "apply")
    assert applied.returncode == 0, applied.stderr
    people = ("ana", "ben", "eva")
    with (
        agents(who["profiles"], tmp_path, "profiles") as profiles,
        agents(who["encoder"], tmp_path, "encoder") as encoder,
        aside(QdrantStub()) as stub,
        agents(who["indexer"].model_copy(update={"qdrant_url": stub.url}), tmp_path, "indexer") as indexer,
        agents(who["ranker"], tmp_path, "ranker") as ranker,
        agents(who["learner"], tmp_path, "learner") as learner,
    ):
        put(who["publisher"], UPLOADS.full("freshet."), {v: videos.encode(uploaded(v)) for v in ("v1", "v2", "v3")})
        put(who["publisher"], FEEDBACK.full("freshet."), {u: feedback.encode(watched(u, "v1", NOON)) for u in people})
        put(who["publisher"], FEEDBACK.full("freshet."), {"ana": b"{"})
        assert {slate.user_id for slate in read_slates(who["reader"], len(people))} == set(people)
        wait_until("all are indexed", lambda: {"v1", "v2", "v3"} <= indexed(stub))
        control = settings_for(kafka.broker)
        wait_until("the letter is there", lambda: len(everything(control, DEAD_LETTERS)) == 1)
        wait_until("something is learned", lambda: any(one.key == b"manifest" for one in everything(control, WEIGHTS)))
        operated = [
            freshet(who["operator"], *command)
            for command in (
                ("topics", "check"),
                ("digest",),
                ("dlq", "ls"),
                ("dlq", "replay", "--reason", "decode"),
                ("watch", "--from-start", "--count", "1"),
                ("forget", "ben"),
                ("contract", "verify", "--from-start"),
            )
        ]
    assert [(ran.args[3:], ran.stderr) for ran in operated if ran.returncode] == []
    running = {"profiles": profiles, "encoder": encoder, "indexer": indexer, "ranker": ranker, "learner": learner}
    said = "".join(one.said(name) for name, one in running.items())
    assert not shows_a_secret(said)
    with pytest.raises(TopicAuthorizationFailedError):
        put(who["reader"], FEEDBACK.full("freshet."), {"ana": b"{}"})
    with pytest.raises(TopicAuthorizationFailedError):
        put(who["ranker"], PROFILES.full("freshet."), {"ana": b""})
    assert freshet(who["publisher"], "dlq", "ls").returncode == 1


def test_the_http_api_works_with_the_rights_that_the_page_lists(kafka: Secured, tmp_path: Path) -> None:
    who = {part: kafka.as_user(part, "scram-sha-512", data_dir=tmp_path / part) for part in ("admin", "api")}
    applied = freshet(who["admin"], "topics", "apply")
    assert applied.returncode == 0, applied.stderr
    with served(who["api"], tmp_path) as api:
        (verdict,) = api.http.post("/v1/feedback", content=feedback.encode(watched("ana", "v1"))).json()["results"]
        assert verdict["status"] == "accepted"
        assert api.http.delete("/v1/users/ana").status_code == 202
        assert api.http.delete("/v1/videos/v1").status_code == 202
        wait_until("the catalogue is read", lambda: api.http.get("/v1/trending").status_code == 200)
        assert api.http.get("/v1/users/nobody/profile").status_code == 404
        assert api.http.get("/v1/dead-letters").json()["complete"]  # of other tests on this broker too
        wait_until("rates are known", lambda: "profiles.v1" in api.http.get("/v1/status").json()["rates"])
    assert not shows_a_secret(api.said())


def put(settings: Settings, topic: str, records: dict[str, bytes]) -> None:
    producer = KafkaProducer(**kafka_python_options(settings), max_block_ms=int(1000 * LIMIT_S))
    try:
        for sent in [producer.send(topic, value, key.encode()) for key, value in records.items()]:
            sent.get(LIMIT_S)
    finally:
        producer.close(timeout=5)


def read_slates(settings: Settings, count: int) -> list[object]:
    patient = {"auto_offset_reset": "earliest", "consumer_timeout_ms": int(1000 * LIMIT_S)}
    options = {**kafka_python_options(settings), **patient}
    consumer = KafkaConsumer(RECOMMENDATIONS.full("freshet."), group_id="shop", **options)
    newest: dict[bytes, object] = {}
    for record in consumer:
        newest[record.key] = decode_recommendation(record.value)
        if len(newest) == count:
            break
    consumer.close()
    return list(newest.values())
