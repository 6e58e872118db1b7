"""Who may ask what."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas.settings.model import Settings
from streams.api import access
from streams.api.access import MAX_BODY, require_tokens
from streams.errors import OperatorError
from tests.support.api import Api, running
from tests.support.metrics import faults

READ, WRITE = {"Authorization": "Bearer r3ad"}, {"Authorization": "Bearer wr1te"}
EVENT = {"kind": "like", "user_id": "ana", "video_id": "v1", "at_ms": 1_650_000_000_000}


def guarded(folder: Path, **more: Any) -> Settings:
    return Settings(data_dir=folder, api_read_token="r3ad", api_write_token="wr1te", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "path", ["/", "/livez", "/static/app.js", "/v1/trending", "/v1/media/none.mp4", "/asked/of/nobody"]
)
async def test_head_is_answered_as_get_without_the_body(api: Api, path: str) -> None:
    got, head = await api.http.get(path), await api.http.head(path)
    assert head.status_code == got.status_code and head.content == b""
    assert head.headers["content-length"] == got.headers["content-length"]


async def test_head_asks_for_a_token_as_get_does(tmp_path: Path) -> None:
    async with running(guarded(tmp_path)) as api:
        assert (await api.http.head("/v1/trending")).status_code == 401
        assert (await api.http.head("/v1/trending", headers=READ)).status_code == 200


async def test_head_of_a_stream_does_not_wait_for_its_end(api: Api) -> None:
    assert (await api.http.head("/v1/users/ana/slates")).status_code == 405


async def test_a_packed_body_is_refused_for_what_it_is(api: Api) -> None:
    answer = await api.http.post("/v1/feedback", content=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415 and "Content-Encoding" in answer.json()["detail"]
    assert (await api.http.post("/v1/feedback", json=EVENT, headers={"Content-Encoding": "identity"})).is_success


@pytest.mark.parametrize(
    "method, path, headers, status",
    [
        ("GET", "/asked/of/nobody", {}, 401),
        ("GET", "/asked/of/nobody", READ, 404),
        ("GET", "/asked/of/nobody", WRITE, 404),
        ("GET", "/asked/of/nobody", {"Cookie": "freshet_token=r3ad"}, 404),
        ("GET", "/asked/of/nobody", {"Cookie": "freshet_token=x; a"}, 401),
        ("GET", "/asked/of/nobody", {"Authorization": "Basic r3ad"}, 401),
        ("GET", "/metrics", {}, 401),
        ("GET", "/livez", {}, 200),
        ("GET", "/openapi.json", {}, 200),
        ("POST", "/v1/feedback", {}, 401),
        ("POST", "/v1/feedback", READ, 403),
        (
            "POST",
            "/v1/feedback",
            {"Cookie": "freshet_token=wr1te"},
            401,
        ),  # a page elsewhere could make a browser send it
        ("POST", "/v1/feedback", WRITE, 200),
        ("POST", "/v1/feedback", WRITE | {"Origin": "http://127.0.0.1:8090"}, 200),
        ("POST", "/v1/feedback", WRITE | {"Origin": "http://127.0.0.1:8091"}, 403),
        ("POST", "/v1/feedback", WRITE | {"Origin": "null"}, 403),
        ("POST", "/v1/feedback", WRITE | {"Host": "evil.example"}, 421),
        ("GET", "/livez", {"Host": "localhost:9"}, 200),
        ("GET", "/livez", {"Host": "shop.example"}, 200),
        ("GET", "/livez", {"Host": "evil.example"}, 421),
        ("GET", "/livez", {"Host": "[::1"}, 421),
    ],
)
async def test_a_token_a_name_and_an_origin_are_asked_for(
    tmp_path: Path, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    async with running(guarded(tmp_path, api_hosts="shop.example, api.example")) as api:
        answer = await api.http.request(method, path, headers=headers, json=EVENT if method == "POST" else None)
    assert answer.status_code == status
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status
        assert "r3ad" not in answer.text and "wr1te" not in answer.text


async def test_without_tokens_loopback_may_do_everything(api: Api) -> None:
    assert (await api.http.post("/v1/feedback", json=EVENT)).status_code == 200


@pytest.mark.parametrize(
    "given",
    [
        {"api_host": "0.0.0.0"},  # noqa: S104
        {"api_host": "0.0.0.0", "api_write_token": "w"},  # noqa: S104
        {"api_host": "192.0.2.1", "api_read_token": "r"},
        {"api_read_token": "r"},
        {"api_read_token": "r", "api_write_token": "r"},
    ],
)
def test_a_start_that_would_be_open_to_others_is_refused(tmp_path: Path, given: dict[str, str]) -> None:
    with pytest.raises(OperatorError, match=r"FRESHET_API_WRITE_TOKEN"):
        require_tokens(Settings(data_dir=tmp_path, **given))  # type: ignore[arg-type]


def test_tokens_or_loopback_are_enough(tmp_path: Path) -> None:
    require_tokens(Settings(data_dir=tmp_path))
    require_tokens(guarded(tmp_path, api_host="0.0.0.0"))  # noqa: S104


async def test_a_body_has_a_limit_however_it_is_sent(api: Api) -> None:
    too_much = b" " * (MAX_BODY + 1)

    async def in_chunks() -> Any:
        for start in range(0, len(too_much), 100_000):
            yield too_much[start : start + 100_000]

    for content in (too_much, in_chunks()):
        answer = await api.http.post("/v1/feedback", content=content)
        assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")


async def test_a_body_that_does_not_come_to_its_end_is_given_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "BODY_S", 0.01)

    async def endless() -> Any:
        yield b"["
        await asyncio.Event().wait()

    answer = await api.http.post("/v1/feedback", content=endless())
    assert (answer.status_code, answer.headers["content-type"]) == (408, "application/problem+json")
    assert answer.headers["connection"] == "close"


async def test_unknown_routes_and_methods_are_problems_too(api: Api) -> None:
    answers: list[httpx.Response] = [
        await api.http.get("/v2"),
        await api.http.put("/v1/feedback"),
        await api.http.request("BREW", "/v1/feedback"),
    ]
    assert [answer.status_code for answer in answers] == [404, 405, 405]
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}
    assert answers[1].headers["allow"] == "POST"


async def test_a_fault_of_ours_shows_no_trace(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: str) -> None:
        raise RuntimeError("secret: 7f3")

    monkeypatch.setattr(api.store, "get", broken)
    answer = await api.http.get("/v1/users/ana/slate")
    assert (answer.status_code, answer.json()["title"]) == (500, "Internal Server Error")
    assert "7f3" not in answer.text and "Traceback" not in answer.text
    metrics = (await api.http.get("/metrics")).text
    assert 'freshet_api_requests_total{route="/v1/users/{user_id}/slate",status="500"} 1.0' in metrics


async def test_whoever_is_not_ready_says_what_is_missing(api: Api) -> None:
    assert (await api.http.get("/readyz")).status_code == 200
    api.ready.why = "7 slates are still to be read."
    answer = await api.http.get("/readyz")
    assert (answer.status_code, answer.json()["detail"]) == (503, "7 slates are still to be read.")


async def test_requests_are_counted_by_route_and_not_by_what_is_asked(api: Api) -> None:
    await api.http.get("/v1/users/ana/slate")
    text = (await api.http.get("/metrics")).text
    assert 'freshet_api_requests_total{route="/v1/users/{user_id}/slate",status="404"} 1.0' in text
    assert "ana" not in text
    assert faults({"api": text}) == {}


async def test_the_documents_name_no_foreign_host(api: Api) -> None:
    page = (await api.http.get("/docs")).text
    assert "//" not in page.replace("<!doctype", "")
    assert (await api.http.get("/asyncapi.json")).json()["asyncapi"] == "3.0.0"
