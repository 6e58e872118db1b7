"""The playground's parts: its settings, its client of the API, its people, and checks that do not always hold."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import numpy as np
import pytest
from pydantic import SecretStr

from ranker.simulation.world import Person
from schemas.messages.feedback import Like
from schemas.settings.model import Settings
from streams.api.routers.page import FILES
from streams.demo.clips import Clip
from streams.demo.playground import people
from streams.demo.playground.check import like, operators, page, soon, subject_grows, trending
from streams.demo.playground.client import ApiClient, StoppedError
from streams.demo.playground.people import World, look, now_ms
from streams.demo.playground.run import apart, invitation, left, port
from streams.demo.stage import run_folder
from streams.errors import OperatorError

Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(scope="module")
def world() -> World:
    return World(Settings(), [Clip("01.mp4", "A red square")])


def client(answer: Answer, stopped: Event | None = None) -> ApiClient:
    return ApiClient("http://playground", stopped or Event(), httpx.MockTransport(answer))


def slate(*video_ids: str, cold: bool = False, reflects: bool = True) -> httpx.Response:
    items = [
        {"rank": rank, "video_id": one, "score": 0.5, "p": {}, "propensity": 1.0, "sources": [], "reasons": []}
        for rank, one in enumerate(video_ids, 1)
    ]
    message = {
        "schema_version": "1.0",
        "recommendation_id": "slate-1",
        "user_id": "check",
        "version": 1,
        "generated_at_ms": now_ms(),
        "expires_at_ms": now_ms() + 1000,
        "trigger": {
            "event_id": "like-1",
            "kind": "like",
            "topic": "feedback.v1",
            "partition": 0,
            "offset": 1,
            "at_ms": now_ms(),
        },
        "models": {},
        "timings_ms": {},
        "degraded": [],
        "exhausted": False,
        "items": items,
    }
    return httpx.Response(200, json={"slate": message, "reflects": reflects, "cold": cold, "age_ms": 1})


def accepted(request: httpx.Request) -> httpx.Response:
    results = [{"status": "accepted", "partition": 0, "offset": at} for at, _ in enumerate(json.loads(request.content))]
    return httpx.Response(200, json={"results": results})


def of_kind(world: World, kind: str) -> list[str]:
    return [video_id for video_id, video in world.videos.items() if video.category == kind]


def test_the_playground_shares_nothing_with_other_data_and_is_for_this_machine_alone(tmp_path: Path):
    given = Settings(
        prefix="mine.",
        api_host="0.0.0.0",  # noqa: S104
        api_write_token=SecretStr("secret"),
        slates_url="redis://elsewhere",
        qdrant_url="http://elsewhere",
        media_root=str(tmp_path),
    )
    own = apart(given, tmp_path / "run-abc")
    assert own.prefix == "mine.playground-abc."
    assert (own.data_dir, own.media_root) == (tmp_path / "run-abc", str(tmp_path / "run-abc" / "media"))
    assert (own.api_host, own.slates_url, own.qdrant_url) == ("127.0.0.1", "", "")
    assert own.api_write_token.get_secret_value() == ""


def test_where_the_port_is_taken_the_playground_has_another():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        assert port(number) not in (0, number)
    assert port(number) == number


def test_the_client_asks_again_while_the_api_starts():
    answers: Iterator[Any] = iter(
        [httpx.ConnectError("refused"), httpx.Response(503), httpx.Response(200, json={"catalogue": {"videos": 7}})]
    )

    def answer(_: httpx.Request) -> httpx.Response:
        if isinstance(found := next(answers), Exception):
            raise found
        return httpx.Response(found.status_code, content=found.content)

    assert client(answer).videos() == (7, False)


def test_the_client_goes_on_no_longer_than_the_playground():
    stopped = Event()
    stopped.set()
    with pytest.raises(StoppedError):
        client(lambda _: httpx.Response(503), stopped).videos()


def catalogue(videos: int, encoder: str) -> httpx.Response:
    workers = [{"agent": "encoder", "state": encoder}, {"agent": "ranker", "state": "ready"}]
    return httpx.Response(200, json={"catalogue": {"videos": videos}, "workers": workers})


def test_filling_waits_for_an_encoder_that_is_slow_to_open_and_gives_up_one_that_stands_still(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(people, "STALLED_S", 0.0)
    monkeypatch.setattr(people, "POLL_INTERVAL_S", 0.001)
    slow = [catalogue(0, "starting")] * 9 + [catalogue(1, "ready"), catalogue(2, "ready")]
    answers = iter(slow)
    people.wait_until_embedded(client(lambda _: next(answers)), 2)
    with pytest.raises(OperatorError, match="1 of 2 videos are embedded, and for 0 s no other one"):
        people.wait_until_embedded(client(lambda _: catalogue(1, "ready")), 2)


def test_the_log_of_a_playground_that_gave_up_stays(tmp_path: Path):
    with run_folder(tmp_path, keep=False, name="playground") as folder:
        log = folder / "agents.log"
        log.write_text("encoder  | killed\n")
        stays = left(log)
    assert not folder.exists() and stays.read_text() == "encoder  | killed\n"


def test_what_the_api_rejects_is_an_error():
    verdict = {"status": "rejected", "reason": "schema", "detail": "no"}
    api = client(lambda _: httpx.Response(200, json={"results": [verdict]}))
    with pytest.raises(OperatorError, match="rejected an event"):
        api.publish([Like(user_id="a", video_id="v1", at_ms=now_ms())])


def test_people_answer_the_first_video_that_they_know_by_slate_and_rank(world: World):
    person, known = Person("p001", ("cats",), 1.0), of_kind(world, "cats")[0]
    events = look(person, client(lambda _: slate("of-somebody", known)), world.videos, np.random.default_rng(0))
    assert events
    assert {(event.video_id, event.recommendation_id, event.rank) for event in events} == {(known, "slate-1", 2)}
    assert look(person, client(lambda _: slate("of-somebody")), world.videos, np.random.default_rng(0)) == []


@pytest.mark.parametrize(("grows", "cold", "holds"), [(True, True, True), (False, True, False), (True, False, False)])
def test_the_check_holds_only_where_likes_move_a_first_slate(world: World, grows: bool, cold: bool, holds: bool):
    first, liked = of_kind(world, "piano")[:2], list[str]()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            liked.extend(event["video_id"] for event in json.loads(request.content))
            return accepted(request)
        if not liked or not grows:
            return slate(*first, cold=cold and not liked)
        return slate(*of_kind(world, str(world.videos[liked[0]].category))[3:5])

    assert subject_grows(client(answer), world, "check").holds == holds
    assert len(liked) == 3 * cold


def test_the_page_is_there_with_every_module_or_the_check_says_so():
    def answer(request: httpx.Request) -> httpx.Response:
        file = FILES[request.url.path.removeprefix("/static/").removeprefix("/") or "index.html"]
        return httpx.Response(200, content=file.body)

    found = page(client(answer))
    assert found.holds
    assert found.seen.startswith(f"{sum(name.endswith('.js') for name in FILES)} modules")
    assert not page(client(lambda _: httpx.Response(200, text="<p>nothing"))).holds


def test_nothing_trending_fails_the_check():
    assert not trending(client(lambda _: httpx.Response(200, json={"items": []}))).holds


def test_a_worker_that_is_slow_to_be_ready_is_waited_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("streams.demo.playground.check.LOOK_INTERVAL_S", 0.0)
    states = iter(["starting", "unassigned", "ready"])

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"workers": [{"agent": "learner", "state": next(states)}]})

    assert soon(lambda: operators(client(answer))).holds
    assert list(states) == []


def test_a_worker_that_is_never_ready_fails_the_check(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("streams.demo.playground.check.SOON_S", 0.0)
    workers = [{"agent": "learner", "state": "starting"}]
    found = soon(lambda: operators(client(lambda _: httpx.Response(200, json={"workers": workers}))))
    assert not found.holds


def test_a_slate_that_is_longer_in_coming_than_one_request_waits_is_waited_for(world: World):
    asked = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        if request.method == "POST":
            return accepted(request)
        asked += 1
        return slate("v1", reflects=asked == 3)

    video = of_kind(world, "piano")[0]
    shown = client(lambda _: slate("v1")).slate("a").slate
    assert like(client(answer), shown, "a", [video]).items[0].video_id == "v1"
    assert asked == 3


def test_the_invitation_says_where_the_page_is_and_three_things_to_try(world: World):
    lines = list(invitation("http://127.0.0.1:8090", world))
    assert "open http://127.0.0.1:8090/  (Ctrl-C stops all)" in lines
    assert [line.strip()[:2] for line in lines[-3:]] == ["1.", "2.", "3."]
