"""Commands against a real Kafka: what they do there, and how they stop what they started."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kafka import KafkaProducer

from schemas.messages import videos
from schemas.settings.model import Settings
from schemas.topics import DEAD_LETTERS, FEATURES, FEEDBACK, TOPICS, UPLOADS, Topic
from streams.kafka import topic_admin
from streams.local.broker import HOST, LocalBroker, free_port
from tests.support.brokers import CACHE, needs_java_and_maven, settings_for
from tests.support.command import LIMIT_S, Freshet
from tests.support.events import encoded
from tests.support.log_lines import LIKE, NO_TIME, UPLOAD, log_of
from tests.support.paths import ROOT
from tests.support.system import everything, publish

pytestmark = pytest.mark.connected


def records(settings: Settings, topic: Topic) -> list[tuple[bytes, bytes]]:
    return [(record.key, record.value) for record in everything(settings, topic)]


def test_topics_are_planned_checked_and_applied(freshet: Freshet, broker: LocalBroker):
    common = ("--bootstrap", broker.bootstrap, "--prefix", "cli.")
    planned = freshet("topics", "plan", "--json", *common)
    assert planned.code == 0
    assert {difference["action"] for difference in json.loads(planned.out)} == {"create"}
    assert freshet("topics", "check", *common).code == 1
    assert freshet("topics", "apply", *common).code == 0
    assert freshet("topics", "check", *common).code == 0
    again = freshet("topics", "apply", *common, "--json")
    assert json.loads(again.out) == {"differences": [], "refused": []}


def test_a_sent_log_arrives_under_its_keys_as_it_was_written(freshet: Freshet, broker: LocalBroker, tmp_path: Path):
    settings = settings_for(broker, prefix="sent.", partitions=2)
    common = ("--bootstrap", broker.bootstrap, "--prefix", "sent.")
    file = log_of(tmp_path, UPLOAD, LIKE, NO_TIME)
    early = freshet("send", file, *common)
    assert early.code == 1
    assert "topics apply" in early.err
    topic_admin.apply(settings, TOPICS, lambda _: None)
    ran = freshet("send", file, *common, "--json")
    assert ran.code == 1  # a line was left out, and is named
    assert "line 3: at_ms: schema" in ran.err
    assert json.loads(ran.out) == {"confirmed": {"sent.feedback.v1": 1, "sent.uploads.v1": 1}, "left_out": 1}
    assert records(settings, FEEDBACK) == [(b"u1", LIKE.encode())]
    assert records(settings, UPLOADS) == [(b"v1", UPLOAD.encode())]
    assert records(settings, DEAD_LETTERS) == []


def test_watch_shows_one_persons_slates(freshet: Freshet, broker: LocalBroker):
    settings = settings_for(broker, prefix="seen.")
    topic_admin.apply(settings, TOPICS, lambda _: None)
    slate = {
        "schema_version": "1.0",
        "recommendation_id": "r-1",
        "user_id": "u42",
        "version": 7,
        "generated_at_ms": 1650812741210,
        "expires_at_ms": 1650814541210,
        "trigger": {"event_id": "e", "topic": "t", "partition": 3, "offset": 991, "at_ms": 1650812741000},
        "models": {},
        "timings_ms": {},
        "degraded": ["profile"],
        "items": [
            {
                "rank": 1,
                "video_id": "v9",
                "score": 0.8312,
                "p": {},
                "propensity": 1.0,
                "sources": ["trending"],
                "reasons": [{"code": "similar_to", "video_id": "v3", "weight": 0.4}],
            }
        ],
        "exhausted": False,
    }
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap)
    for user_id, value in [("u41", b"{}"), ("u42", json.dumps(slate).encode()), ("u42", None)]:
        producer.send("seen.recommendations.v1", value, key=user_id.encode()).get(LIMIT_S)
    producer.close()
    options = ("watch", "u42", "--from-start", "--count", 2, "--bootstrap", broker.bootstrap, "--prefix", "seen.")
    first, second = map(json.loads, freshet(*options, "--json").out.splitlines())
    assert first == slate
    assert second == {"user_id": "u42", "erased": True}
    two_hours_ago = int(1000 * time.time()) - 7_300_000
    publish(settings, FEATURES, [("v9", videos.encode(encoded("v9", two_hours_ago, title="The harbour")))])
    text = freshet(*options).out
    assert re.search(r"^u42 version 7, [\d.]+ d old, made 210 ms after t\[3\]@991, without profile$", text, re.M)
    assert re.search(r"v9 +The harbour +2\.0 h +0\.8312", text)
    assert "similar_to v3" in text
    assert text.endswith("u42: erased\n")


def test_watch_ends_when_its_reader_has_gone_though_no_slate_comes(broker: LocalBroker):
    settings = settings_for(broker, prefix="unread.")
    topic_admin.apply(settings, TOPICS, lambda _: None)
    command = [sys.executable, "-m", "streams.cli", "watch", "--bootstrap", broker.bootstrap, "--prefix", "unread."]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout and running.stderr
        assert running.stderr.readline().startswith(b"watching slates")
        running.stdout.close()
        assert running.wait(LIMIT_S) == 141
        assert running.stderr.read() == b""


def test_the_broker_command_says_where_it_is_and_stops_in_order(tmp_path: Path):
    needs_java_and_maven()
    environ = {**os.environ, "FRESHET_CACHE_DIR": str(CACHE.settings.cache_dir)}
    port = str(free_port())
    command = [sys.executable, "-m", "streams.cli", "broker", "--port", port, "--data-dir", str(tmp_path), "--json"]
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout
        started = json.loads(running.stdout.readline())
        assert started["bootstrap"] == f"{HOST}:{port}"
        running.send_signal(signal.SIGTERM)
        assert running.wait(LIMIT_S) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(started["pid"], 0)
