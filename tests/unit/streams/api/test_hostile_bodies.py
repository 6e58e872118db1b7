"""The table of bad input by HTTP: each is refused with the reason of its dead letter, and none is published."""

import pytest

from schemas.messages import feedback
from tests.support import hostile_records
from tests.support.api import Api
from tests.support.events import NOON, watched
from tests.support.hostile_records import Hostile

REJECTED, TOO_LARGE, UNREADABLE, UNFIT = 200, 413, 400, 422
EVENTS = [one for one in hostile_records.FEEDBACK if one.reason != "key_mismatch"]  # HTTP names no key
UPLOADS = [one for one in hostile_records.UPLOADS if one.reason != "key_mismatch" and one.value is not None]


@pytest.mark.parametrize("one", EVENTS, ids=lambda one: one.name)
async def test_a_bad_event_is_refused_with_its_reason(api: Api, one: Hostile) -> None:
    answer = await api.http.post("/v1/feedback", content=one.value or b"")
    assert api.publisher.published == []
    told = answer.json()
    if answer.status_code == TOO_LARGE:
        assert len(one.value or b"") >= hostile_records.MEGABYTE  # a body is cut off there
    elif one.value and one.value.lstrip().startswith(b"["):
        assert told == {"results": []} or answer.status_code == UNREADABLE  # a list of events, not one
    else:
        assert answer.status_code == REJECTED and [verdict["reason"] for verdict in told["results"]] == [one.reason]


@pytest.mark.parametrize("one", EVENTS, ids=lambda one: one.name)
async def test_beside_good_ones_it_takes_nothing_from_them(api: Api, one: Hostile) -> None:
    """In a list its bytes have to be JSON; what is not spoils the list, of which nothing is published then."""
    good = feedback.encode(watched("ana", "v1", NOON))
    answer = await api.http.post("/v1/feedback", content=b"[" + good + b"," + (one.value or b"") + b"," + good + b"]")
    if answer.status_code in (UNREADABLE, TOO_LARGE):
        assert api.publisher.published == []
        return
    first, *bad, last = answer.json()["results"]
    assert (first["status"], last["status"]) == ("accepted", "accepted")
    assert {verdict["status"] for verdict in bad} <= {"rejected"} and len(api.publisher.published) == 2


@pytest.mark.parametrize("one", UPLOADS, ids=lambda one: one.name)
async def test_a_bad_upload_is_refused(api: Api, one: Hostile) -> None:
    answer = await api.http.post("/v1/videos", content=one.value or b"")
    assert answer.status_code in (UNREADABLE, TOO_LARGE, UNFIT), answer.text
    assert answer.headers["content-type"] == "application/problem+json" and "Traceback" not in answer.text
    assert api.publisher.published == []


async def test_ten_megabytes_are_refused_unread(api: Api) -> None:
    assert (await api.http.post("/v1/feedback", content=hostile_records.HUGE)).status_code == TOO_LARGE
    assert api.publisher.published == []
