"""What the API answers about slates."""

import asyncio
import json

import pytest

from streams.api.routers import slates
from tests.support.api import Api, record, slate


async def test_a_slate_is_answered_byte_by_byte_as_it_was_published(api: Api) -> None:
    message = slate("ana", 7)
    api.bring(record("ana", message))
    answer = await api.http.get("/v1/users/ana/slate")
    assert answer.status_code == 200
    assert answer.content.startswith(b'{"slate":' + message + b',"reflects":true,"cold":false,"age_ms":')
    assert answer.json()["age_ms"] < 60_000


async def test_nobody_without_a_history_gets_a_slate_before_there_is_a_cold_one(api: Api) -> None:
    answer = await api.http.get("/v1/users/ben/slate")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    api.cold.message = slate("ben")
    answer = await api.http.get("/v1/users/ben/slate")
    assert (answer.status_code, answer.json()["cold"]) == (200, True)


async def test_an_expired_slate_is_not_shown(api: Api) -> None:
    api.bring(record("ana", slate("ana", expires_at_ms=1)))
    assert (await api.http.get("/v1/users/ana/slate")).status_code == 404
    api.cold.message = slate("ana", 9)
    answer = (await api.http.get("/v1/users/ana/slate")).json()
    assert (answer["cold"], answer["slate"]["version"]) == (True, 9)


async def test_an_erased_person_has_no_slate_any_more(api: Api) -> None:
    api.bring(record("ana", slate("ana")))
    api.bring(record("ana", None, 1))
    assert (await api.http.get("/v1/users/ana/slate")).status_code == 404


async def test_an_older_version_that_comes_late_changes_nothing(api: Api) -> None:
    api.bring(record("ana", slate("ana", 5)), record("ana", slate("ana", 4), 1))
    api.bring(record("ana", slate("ana", 3), 2))
    assert (await api.http.get("/v1/users/ana/slate")).json()["slate"]["version"] == 5


async def test_of_equal_versions_the_last_counts(api: Api) -> None:
    api.bring(record("ana", slate("ana", 5, degraded=["a"])))
    api.bring(record("ana", slate("ana", 5, degraded=["b"]), 1))
    assert (await api.http.get("/v1/users/ana/slate")).json()["slate"]["degraded"] == ["b"]


@pytest.mark.parametrize(
    "after, reflects", [("0:4", True), ("0:5", True), ("0:6", False), ("1:5", False)], ids=lambda one: str(one)
)
async def test_a_slate_says_whether_it_reflects_an_event(api: Api, after: str, reflects: bool) -> None:
    api.bring(record("ana", slate("ana", offset=5)))
    assert (await api.http.get("/v1/users/ana/slate", params={"after": after})).json()["reflects"] is reflects


async def test_a_request_waits_for_the_slate_that_reflects_its_event(api: Api) -> None:
    api.bring(record("ana", slate("ana", 1, offset=5)))
    asked = asyncio.create_task(api.http.get("/v1/users/ana/slate", params={"after": "0:7", "wait_ms": 9000}))
    while not len(api.waiters):  # noqa: ASYNC110 (there is nothing to wait for but this)
        await asyncio.sleep(0.001)
    api.bring(record("ana", slate("ana", 2, offset=6), 1))
    await asyncio.sleep(0.01)
    assert not asked.done()
    await asyncio.to_thread(api.bring, record("ana", slate("ana", 3, offset=8), 2))  # as the follower does
    answer = (await asked).json()
    assert (answer["slate"]["version"], answer["reflects"]) == (3, True)
    assert len(api.waiters) == 0


async def test_at_the_time_out_there_is_an_answer_that_reflects_nothing(api: Api) -> None:
    api.bring(record("ana", slate("ana", 1, offset=5)))
    answer = await api.http.get("/v1/users/ana/slate", params={"after": "0:7", "wait_ms": 20})
    assert (answer.status_code, answer.json()["reflects"]) == (200, False)


@pytest.mark.parametrize("query", ["after=7", "after=-1:2", "wait_ms=10001", "wait_ms=x", "after=1:2:3"])
async def test_a_question_that_makes_no_sense_is_refused_in_a_sentence(api: Api, query: str) -> None:
    answer = await api.http.get(f"/v1/users/ana/slate?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert query.partition("=")[0] in answer.json()["detail"]


async def test_a_person_whose_id_has_a_slash_is_found(api: Api) -> None:
    api.bring(record("a/b c", slate("a/b c")))
    assert (await api.http.get("/v1/users/a%2Fb%20c/slate")).json()["slate"]["user_id"] == "a/b c"


async def test_a_stream_begins_at_once_and_has_each_new_slate(api: Api) -> None:
    api.bring(record("ana", slate("ana", 1)))
    events = slates._events(api.services(), "ana")
    assert version_of(await anext(events)) == 1
    api.bring(record("ana", slate("ana", 2), 1))
    assert version_of(await asyncio.wait_for(anext(events), 5)) == 2
    api.bring(record("ana", slate("ana", 3), 2))
    api.bring(record("ana", slate("ana", 4), 3))  # whoever reads slowly gets the newest
    assert version_of(await asyncio.wait_for(anext(events), 5)) == 4
    await events.aclose()  # type: ignore[attr-defined]
    assert len(api.waiters) == 0


async def test_a_stream_without_news_shows_that_it_lives(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slates, "HEARTBEAT_S", 0.01)
    api.bring(record("ana", slate("ana")))
    events = slates._events(api.services(), "ana")
    assert version_of(await anext(events)) == 1
    assert await anext(events) == b": still here\n\n"


async def test_a_stream_that_began_before_there_were_videos_has_the_first_slate_once_there_are(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slates, "FIRST_S", 0.01)
    events = slates._events(api.services(), "ben")
    assert [await anext(events), await anext(events)] == [b": no slate yet\n\n"] * 2
    api.cold.message = slate("ben", 9)
    assert version_of(await asyncio.wait_for(anext(events), 5)) == 9
    monkeypatch.setattr(slates, "HEARTBEAT_S", 0.01)
    assert await anext(events) == b": still here\n\n"  # it is given once


def version_of(event: bytes) -> int:
    name, data, *_ = event.decode().split("\n")
    assert name == "event: slate"
    version: int = json.loads(data.removeprefix("data: "))["slate"]["version"]
    return version
