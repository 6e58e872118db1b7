"""The demo from outside: what it prints, how it ends, and that it stops what it started."""

import asyncio
import json
import signal
import time
from pathlib import Path

import pytest

from schemas.agents import needed
from streams.demo.checks import replay_state
from streams.demo.clips import MADE
from streams.demo.untitled import VIDEO, WORDS
from tests.support.brokers import CACHE
from tests.support.command import demo
from tests.support.metrics import faults, missing_in
from tests.support.qdrant_stub import LOCAL_MODE, QdrantStub, aside
from tests.support.scraping import PORTS, scraping

pytestmark = [pytest.mark.connected, pytest.mark.slow, pytest.mark.usefixtures("all_there"), *LOCAL_MODE]

STOPS_WITHIN_S = 150  # 15 on two cores that have nothing else to do
OF_AN_INDEX = {"freshet_index_up", "freshet_index_complete"}
ABSENT = OF_AN_INDEX | {  # where all goes well, and there is no HTTP API
    "freshet_api_requests_total",
    "freshet_api_request_seconds",
    "freshet_dead_letters_total",
    "freshet_degraded_slates_total",
    "freshet_open_transaction_records",
    "freshet_waiting",
}


def test_a_small_demo_answers_everybody_and_moves_a_slate(tmp_path: Path):
    with scraping(tmp_path) as pages:
        ran = demo(tmp_path, "--events", 300, "--json", "--keep", FRESHET_METRICS_PORT=PORTS)
        out, err = ran.communicate(timeout=600)
    assert ran.returncode == 0, err
    assert pages.keys() == set(needed(""))
    assert faults(pages) == {}
    assert missing_in(pages.values()) <= ABSENT
    told = json.loads(out)
    assert told["events"] == 300 + 4 + 200  # the log, ana, the measured ones
    assert told["uploads"] == 400 + 10 + len(MADE) + 1
    assert told["content"]["tags"].keys() == MADE.keys() | {VIDEO}
    seen, heard = {"image", "image_text", "all"}, {"text", "audio", "audio_text"}
    assert {title: set(by) for title, by in told["content"]["similar"].items()} == {
        **dict.fromkeys(MADE, seen | heard),
        VIDEO: seen,
    }
    assert told["content"]["untitled"] == {WORDS["en"]: {"video_id": VIDEO, "by": "image_text"}}
    assert told["checks"]["words find an untitled clip"]
    assert all(words in title for words, title in told["content"]["searches"].items())
    assert told["people"] == 12 + 1
    assert told["slates"] >= 13
    assert told["dead_letters"] == told["left_out"] == 0
    assert told["shift"]["share_after"] > told["shift"]["share_before"]
    assert set(told["checks"].values()) == {True}
    assert told["event_to_slate_ms"]["times"] == 200
    assert 0 < told["event_to_slate_ms"]["p50"] <= told["event_to_slate_ms"]["p99"]
    assert 0 < told["upload_to_features_ms"]["p50"] <= told["upload_to_features_ms"]["p99"]
    assert "waiting for" in err and "all stopped" in err
    published = Path(told["folder"]) / "published.jsonl"
    assert replay_state(published, CACHE.settings) == (told["state_digest"], 0)


def test_a_demo_with_qdrant_waits_for_it_and_leaves_nothing_there(tmp_path: Path):
    with aside(QdrantStub()) as stub:
        with scraping(tmp_path) as pages:
            ran = demo(tmp_path, "--events", 100, "--json", FRESHET_QDRANT_URL=stub.url, FRESHET_METRICS_PORT=PORTS)
            out, err = ran.communicate(timeout=600)
        assert ran.returncode == 0, err
        assert pages.keys() == set(needed(stub.url))
        assert faults(pages) == {}
        assert missing_in(pages.values()) <= ABSENT - OF_AN_INDEX
        assert "the agents profiles, encoder, indexer, ranker, learner to start" in err
        assert "Qdrant holds 400 videos, and slates are made with it" in err
        assert set(json.loads(out)["checks"].values()) == {True}
        assert stub.searched()
        assert asyncio.run(stub.aliases()) == {}


def test_ctrl_c_ends_the_demo_in_time_and_leaves_nothing(tmp_path: Path):
    running = demo(tmp_path)
    assert running.stdout
    told = ""
    while "Kafka answers" not in told:
        told = running.stdout.readline()
        assert told, "ended before Kafka answered"
    time.sleep(1)  # the agents are starting
    running.send_signal(signal.SIGINT)
    out, _ = running.communicate(timeout=STOPS_WITHIN_S)
    assert running.returncode == 130
    assert "interrupted; all stopped" in out
    assert list((tmp_path / "demo").iterdir()) == []


def test_without_models_the_demo_says_how_to_make_them(tmp_path: Path):
    ran = demo(tmp_path, FRESHET_CACHE_DIR=str(tmp_path / "nothing"))
    _, err = ran.communicate(timeout=600)
    assert ran.returncode == 1
    assert "freshet: The models cannot be used" in err
    assert "freshet export" in err
    assert "Traceback" not in err
    assert list((tmp_path / "demo").iterdir()) == []
