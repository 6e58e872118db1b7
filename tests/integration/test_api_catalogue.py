"""What a process of the HTTP API answers about videos and people, on a real Kafka."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from encoders.embedder import VideoEmbedder
from ranker.catalogue.popularity import TrendCounts
from ranker.profile.codec import pack
from schemas.messages import trends, videos
from schemas.messages.dead_letters import DeadLetter, Reason
from schemas.messages.erasures import Erasure
from schemas.messages.erasures import encode as encode_erasure
from schemas.settings.model import Settings
from schemas.topics import DEAD_LETTERS, ERASURES, FEATURES, FEEDBACK, PROFILES, TRENDS
from streams.dead_letters.publisher import to_record
from tests.support.api_process import Served, served
from tests.support.command import freshet
from tests.support.events import after, liked, uploaded, withdrawn
from tests.support.system import LIMIT_S, publish, wait_until

pytestmark = pytest.mark.connected

TITLES = {
    "cats-1": "Kittens discover the garden",
    "cats-2": "My old cat learns to swim",
    "soup": "Tomato soup in half an hour",
    "bread": "How to bake sourdough bread",
}
NOW = round(1000 * time.time())


def put_videos(settings: Settings, embedder: VideoEmbedder, titles: dict[str, str]) -> None:
    address = "https://cdn.example.com"
    uploads = [
        uploaded(name, NOW, title=title, language="en", media_uri=f"{address}/{name}.mp4")
        for name, title in titles.items()
    ]
    publish(settings, FEATURES, [(one.video_id, videos.encode(one)) for one in embedder.features(uploads)])


def put_dead_letters(settings: Settings, count: int, reason: Reason) -> None:
    for number in range(count):
        made = to_record(
            DeadLetter(
                reason=reason,
                detail=f"number {number}",
                topic=FEEDBACK.full(settings.prefix),
                partition=0,
                offset=number,
                at_ms=NOW,
                key=b"ana",
                value=b'{"kind":"dance"}',
            )
        )
        publish_with_headers(settings, made.key, made.value, made.headers)


def publish_with_headers(settings: Settings, key: Any, value: Any, headers: Any) -> None:
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=settings.bootstrap)
    producer.send(DEAD_LETTERS.full(settings.prefix), key=key, value=value, headers=list(headers)).get(timeout=LIMIT_S)
    producer.close()


def ids(found: dict[str, Any]) -> list[str]:
    return [one["video_id"] for one in found["items"]]


def got(api: Served, path: str, status: int = 200, **params: Any) -> Any:
    answer = api.http.get(path, params=params)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_an_api_process_answers_what_the_catalogue_knows(
    settings: Settings, embedder: VideoEmbedder, tmp_path: Path
) -> None:
    put_videos(settings, embedder, TITLES)
    likes = liked("ana", "cats-1", NOW), liked("näh/m", "soup", NOW)
    publish(settings, PROFILES, [(one.user_id, pack(after(one))) for one in likes])
    counts = TrendCounts()
    for video_id in ("cats-1", "cats-1", "cats-1", "soup"):
        counts.add(video_id, NOW)
    publish(settings, TRENDS, [("0", trends.encode(counts.record(NOW // 1000, 1000)))])
    put_dead_letters(settings, 3, Reason.SCHEMA)
    with served(settings, tmp_path) as api:
        wait_until("the catalogue is read", lambda: api.http.get("/v1/trending").status_code == 200)
        assert ids(got(api, "/v1/search", q="young pets outdoors", k=2)) == ["cats-1", "cats-2"]
        assert "no word" in got(api, "/v1/search", q=" \u200b")["note"]
        similar = got(api, "/v1/videos/cats-1/similar", by="text", k=1)
        assert ids(similar) == ["cats-2"] and similar["complete"]
        found = got(api, "/v1/trending")
        assert [(one["video_id"], one["share"]) for one in found["items"]] == [("cats-1", 0.75), ("soup", 0.25)]
        video = got(api, "/v1/videos/soup")
        assert (video["title"], video["media_uri"]) == (TITLES["soup"], "https://cdn.example.com/soup.mp4")
        assert sorted(api.http.post("/v1/videos/lookup", json={"video_ids": ["soup", "x"]}).json()["videos"]) == [
            "soup"
        ]
        assert got(api, "/v1/users/ana/playlist", k=1)["items"][0]["video"]["video_id"] == "cats-2"

        told = got(api, "/v1/users/ana/explain/cats-2")
        (line,) = freshet(settings, "explain", "ana", "cats-2", "--json").stdout.splitlines()
        assert told == json.loads(line)
        profile = got(api, "/v1/users/n%C3%A4h%2Fm/profile")
        assert profile["user_id"] == "näh/m" and profile["likes"][0]["title"] == TITLES["soup"]
        got(api, "/v1/users/nobody/profile", 404)

        cold = got(api, "/v1/users/nobody/slate")
        assert cold["cold"] and {one["video_id"] for one in cold["slate"]["items"]} == {*TITLES}

        put_videos(settings, embedder, {"violin": "A lesson on the violin"})
        publish(settings, FEATURES, [("bread", videos.encode(withdrawn("bread", NOW + 1)))])
        wait_until("the new video is found", lambda: ids(got(api, "/v1/search", q="music lesson", k=1)) == ["violin"])
        wait_until("the other one is not", lambda: "bread" not in ids(got(api, "/v1/search", q="sourdough bread")))
        wait_until(
            "nor on a cold slate",
            lambda: "bread" not in str(got(api, "/v1/users/nobody/slate")["slate"]["items"]),
        )
        publish(settings, ERASURES, [("ana", encode_erasure(Erasure(user_id="ana", at_ms=NOW + 2)))])
        wait_until("the person is nobody", lambda: api.http.get("/v1/users/ana/profile").status_code == 404)

        letters = got(api, "/v1/dead-letters", limit=2)
        assert [one["detail"] for one in letters["dead_letters"]] == ["number 2", "number 1"] and not letters[
            "complete"
        ]
        assert letters["dead_letters"][0]["value"] == '{"kind":"dance"}'
        assert got(api, "/v1/dead-letters", reason="late") == {"dead_letters": [], "complete": True}
        wait_until("they are counted", lambda: got(api, "/v1/status")["dead_letters"] == {"schema": 3})
        put_dead_letters(settings, 1, Reason.LATE)
        wait_until("another one is", lambda: got(api, "/v1/status")["dead_letters"] == {"schema": 3, "late": 1})
        status = got(api, "/v1/status")
        assert status["rates"]["dead-letters.v1"] > 0 and status["catalogue"] == {"is_read": True, "videos": 4}
        assert "Traceback" not in api.said()
