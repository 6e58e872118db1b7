"""Feedback, uploads, withdrawals and erasures by HTTP."""

import json
from typing import Any

import pytest

from schemas.messages import feedback, videos
from schemas.messages.erasures import decode_erasure
from tests.support.api import Api
from tests.support.events import NOON, uploaded, watched


def event(**changes: Any) -> dict[str, Any]:
    return {"kind": "like", "user_id": "ana", "video_id": "v1", "at_ms": NOON, **changes}


async def test_an_event_is_published_as_it_was_sent_under_the_key_of_its_person(api: Api) -> None:
    sent = feedback.encode(watched("ana", "v1"))
    answer = await api.http.post("/v1/feedback", content=sent)
    assert answer.json() == {"results": [{"status": "accepted", "partition": 0, "offset": 0}]}
    ((topic, record),) = api.publisher.published
    assert (topic, record.key, record.value) == ("feedback.v1", b"ana", sent)


async def test_every_event_of_a_list_has_its_own_verdict_in_its_place(api: Api) -> None:
    events = [event(), event(at_ms=9), event(kind="fly"), event(user_id="ben"), 7]
    results = (await api.http.post("/v1/feedback", json=events)).json()["results"]
    assert [one.get("reason", one["status"]) for one in results] == [
        "accepted",
        "timestamp",
        "schema",
        "accepted",
        "schema",
    ]
    assert [results[0]["offset"], results[3]["offset"]] == [0, 1]
    assert [record.key for _, record in api.publisher.published] == [b"ana", b"ben"]
    assert json.loads(api.publisher.published[1][1].value or b"") == events[3]


@pytest.mark.parametrize(
    "body, reason",
    [(b"", "decode"), (b"{", "decode"), (b'"x"', "schema"), (b"\xff\xfe", "decode"), (b"{" * 9000, "decode")],
)
async def test_what_cannot_be_read_has_the_reason_of_a_dead_letter(api: Api, body: bytes, reason: str) -> None:
    answer = await api.http.post("/v1/feedback", content=body)
    assert answer.status_code == 200
    assert [one["reason"] for one in answer.json()["results"]] == [reason]
    assert api.publisher.published == []


async def test_half_of_a_surrogate_pair_in_one_event_takes_nothing_from_the_others(api: Api) -> None:
    good = feedback.encode(watched("ana", "v1"))
    cut = good[:-1] + rb',"surface":"Cooking \ud83c"}'
    answer = await api.http.post("/v1/feedback", content=b"\xef\xbb\xbf[" + good + b" ,\n" + cut + b"]\r\n")
    assert [verdict["status"] for verdict in answer.json()["results"]] == ["accepted"] * 2
    assert [one.value for _, one in api.publisher.published] == [good, cut]


async def test_a_list_that_is_no_json_or_too_long_is_refused_as_a_whole(api: Api) -> None:
    assert (await api.http.post("/v1/feedback", content=b"[{]")).status_code == 400
    assert (await api.http.post("/v1/feedback", json=[event()] * 501)).status_code == 413
    assert (await api.http.post("/v1/feedback", json=[event()] * 500)).status_code == 200
    assert (await api.http.post("/v1/feedback", json=[])).json() == {"results": []}


async def test_nothing_is_acknowledged_while_the_broker_is_away(api: Api) -> None:
    api.publisher.is_away = True
    answer = await api.http.post("/v1/feedback", json=event())
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert (await api.http.post("/v1/feedback", json=event(at_ms=9))).status_code == 200  # nothing to publish


async def test_an_upload_and_a_withdrawal_go_to_one_topic_under_the_key_of_their_video(api: Api) -> None:
    sent = videos.encode(uploaded("v/1", title="Cats"))
    assert (await api.http.post("/v1/videos", content=sent)).status_code == 202
    assert (await api.http.delete("/v1/videos/v%2F1")).status_code == 202
    (_, upload), (_, withdrawal) = api.publisher.published
    assert (upload.key, upload.value, withdrawal.key) == (b"v/1", sent, b"v/1")
    assert isinstance(videos.decode(withdrawal.value or b""), videos.Withdraw)


@pytest.mark.parametrize("kind", ["upload", "withdraw", "fly"])
async def test_an_upload_that_says_nothing_is_refused_with_its_reason(api: Api, kind: str) -> None:
    answer = await api.http.post("/v1/videos", json={"kind": kind, "video_id": "v1", "at_ms": NOON})
    assert (answer.status_code, answer.json()["reason"]) == (422, "schema")


async def test_a_person_is_erased_by_a_message_of_their_own(api: Api) -> None:
    assert (await api.http.delete("/v1/users/ana")).json() == {"partition": 0, "offset": 0}
    ((topic, record),) = api.publisher.published
    erasure = decode_erasure(record.value or b"")
    assert (topic, record.key, erasure.user_id) == ("erasures.v1", b"ana", "ana")
    assert erasure.at_ms > NOON


@pytest.mark.parametrize("user_id", ["a%00b", "x" * 257, "%C2%85"])
async def test_an_id_that_no_message_may_carry_is_refused(api: Api, user_id: str) -> None:
    assert (await api.http.delete(f"/v1/users/{user_id}")).status_code == 422
    assert api.publisher.published == []
