"""The HTTP API as its callers meet it: a process of its own beside the agents, on a real Kafka."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from kafka import KafkaProducer

from schemas.messages import videos
from schemas.messages.recommendations import recommendation_id
from schemas.settings.model import Settings
from schemas.topics import FEEDBACK, RECOMMENDATIONS
from streams.kafka.reader import record_at
from tests.support.api import slate
from tests.support.api_process import Served, event, served
from tests.support.events import uploaded
from tests.support.system import LIMIT_S, agents, everything, publish, wait_until

pytestmark = pytest.mark.connected


def test_an_event_by_http_is_reflected_by_the_slate_that_is_waited_for(settings: Settings, tmp_path: Path) -> None:
    now = round(1000 * time.time())
    with agents(settings, tmp_path, "profiles", "encoder", "ranker"), served(settings, tmp_path, cold=True) as api:
        for n in range(30):
            upload = videos.encode(uploaded(f"v{n}", now, title=f"Lesson {n} of the violin"))
            assert api.http.post("/v1/videos", content=upload).status_code == 202
        wait_until("all videos are known", lambda: knows_all(api))  # or one that was seen is shown for want of others
        for turn in range(3):
            (verdict,) = api.http.post("/v1/feedback", json=event("ana", f"v{turn}")).json()["results"]
            after = f"{verdict['partition']}:{verdict['offset']}"
            answer: dict[str, Any] = {}
            for _ in range(30):  # the first one waits for models and the catalogue
                got = api.http.get("/v1/users/ana/slate", params={"after": after, "wait_ms": 10_000})
                answer = got.json()
                if answer.get("reflects"):
                    break
            assert answer["reflects"], answer
            assert answer["slate"]["trigger"]["offset"] >= verdict["offset"]
            assert f"v{turn}" not in {item["video_id"] for item in answer["slate"]["items"]}
        with api.http.stream("GET", "/v1/users/ana/slates") as stream:
            lines = stream.iter_lines()
            first = data_of(lines)
            api.http.post("/v1/feedback", json=event("ana", "v9"))
            assert data_of(lines)["slate"]["version"] > first["slate"]["version"]
        expire(settings, "ana")
        wait_until("another is made of the profile", lambda: renewed(api, "ana"))
        assert api.http.delete("/v1/users/ana").status_code == 202
        wait_until("the slate is gone", lambda: api.http.get("/v1/users/ana/slate").json().get("cold") is not False)


def knows_all(api: Served) -> bool:
    return all(api.http.get(f"/v1/videos/v{n}").status_code == 200 for n in range(30))


def expire(settings: Settings, user_id: str) -> None:
    """Publish the person's newest slate once more, as one that has expired."""
    newest = [one for one in everything(settings, RECOMMENDATIONS) if one.key == user_id.encode()][-1]
    expired = json.dumps(json.loads(newest.value or b"") | {"expires_at_ms": 1}).encode()
    with closing(KafkaProducer(bootstrap_servers=settings.bootstrap)) as producer:
        headers = [(name, value or b"") for name, value in newest.headers]
        producer.send(newest.topic, key=newest.key, value=expired, headers=headers)


def renewed(api: Served, user_id: str) -> bool:
    """Whether a slate is answered that knows what the person has seen, and is none of the ranking agent's."""
    answer = api.http.get(f"/v1/users/{user_id}/slate").json()
    made, seen = answer["slate"], {"v0", "v1", "v2", "v9"}
    is_theirs = not answer["cold"] and seen.isdisjoint(item["video_id"] for item in made["items"])
    return is_theirs and made["recommendation_id"] != recommendation_id(user_id, made["version"])


def test_a_record_is_read_by_its_place_alone(settings: Settings) -> None:
    (sent,) = publish(settings, RECOMMENDATIONS, [("ana", slate("ana", 1))])
    found = record_at(settings, sent.topic, sent.partition, sent.offset, LIMIT_S)
    assert found is not None and (found.key, found.offset) == (b"ana", sent.offset)
    assert record_at(settings, sent.topic, sent.partition, sent.offset + 1, LIMIT_S) is None  # at the end


def data_of(lines: Iterator[str]) -> dict[str, Any]:
    found: dict[str, Any] = next(json.loads(line[6:]) for line in lines if line.startswith("data: "))
    return found


def test_a_kill_under_load_loses_no_acknowledged_event(settings: Settings, tmp_path: Path) -> None:
    acknowledged: list[tuple[int, int, str]] = []
    loaded: set[str] = set()
    stopped = threading.Event()

    def load(name: str) -> None:
        number = 0
        with httpx.Client(base_url=api.base, timeout=30) as client:
            while not stopped.is_set():
                ids = [f"{name}-{number + n}" for n in range(20)]
                number += 20
                try:
                    sent = [event(f"u{n % 7}", "v1", event_id=one) for n, one in enumerate(ids)]
                    results = client.post("/v1/feedback", json=sent).raise_for_status().json()["results"]
                except (httpx.TransportError, httpx.HTTPStatusError):
                    time.sleep(0.05)
                    continue
                loaded.add(name)
                acknowledged.extend((one["partition"], one["offset"], i) for one, i in zip(results, ids, strict=True))

    with served(settings, tmp_path) as api:
        threads = [threading.Thread(target=load, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        for _ in range(3):
            loaded.clear()
            wait_until("all are acknowledged something", lambda: loaded == set("abc"))
            api.kill()
            api.start()
        stopped.set()
        for thread in threads:
            thread.join()
    there = {(r.partition, r.offset): json.loads(r.value or b"")["event_id"] for r in everything(settings, FEEDBACK)}
    assert len(acknowledged) > 100
    assert [one for one in acknowledged if there.get(one[:2]) != one[2]] == []


def test_a_restart_reads_on_from_where_it_was_and_keeps_what_it_had(settings: Settings, tmp_path: Path) -> None:
    with served(settings, tmp_path) as api:
        publish(settings, RECOMMENDATIONS, [(f"u{n}", slate(f"u{n}", 1)) for n in range(50)])
        wait_until("all are there", lambda: all(has(api, f"u{n}", 1) for n in range(50)))
        api.kill()
        publish(settings, RECOMMENDATIONS, [("u7", slate("u7", 2)), ("u8", None)])
        api.start()
        wait_until("the newer one is there", lambda: has(api, "u7", 2))
        assert has(api, "u9", 1) and not has(api, "u8", 1)
    assert api.said().count("read from the beginning") == 1


def has(api: Served, user_id: str, version: int) -> bool:
    answer = api.http.get(f"/v1/users/{user_id}/slate").json()
    return not answer.get("cold", True) and answer["slate"]["version"] == version


def test_a_reader_of_a_stream_that_takes_nothing_slows_nobody(settings: Settings, tmp_path: Path) -> None:
    with served(settings, tmp_path) as api:
        publish(settings, RECOMMENDATIONS, [("ana", slate("ana", 1))])
        wait_until("it is there", lambda: has(api, "ana", 1))
        large = [f"filler-{n}" for n in range(3000)]

        def slowest_s(versions: range) -> float:
            """The longest that a new slate is waited for."""
            longest = 0.0
            for version in versions:
                publish(settings, RECOMMENDATIONS, [("ana", slate("ana", version, degraded=large))])
                started = time.perf_counter()
                wait_until("the new one is there", lambda version=version: has(api, "ana", version))
                longest = max(longest, time.perf_counter() - started)
            return longest

        usual_s = slowest_s(range(2, 12))
        with api.http.stream("GET", "/v1/users/ana/slates") as stuck:
            assert stuck.status_code == 200  # and nothing is read of it from here on
            assert slowest_s(range(12, 60)) < 5 + 10 * usual_s  # on a busy machine all of them take longer
        assert api.is_ready()
