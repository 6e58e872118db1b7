"""A person's slate, at once, waited for, or as a stream."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from streams.api.answers import Responses, answers, problems, ref, slate_body
from streams.api.clock import now_ms
from streams.api.errors import ProblemError
from streams.api.ids import UserId
from streams.api.services import Opened, Services
from streams.api.slate_store import StoredSlate

router = APIRouter(tags=["slates"])

MAX_WAIT_MS = 10_000
HEARTBEAT_S = 15.0
FIRST_S = 2.0  # between looks for a first slate, which nothing announces: it comes with the first videos
NO_SLATE = "There is no slate for this person yet, and none can be made without a history before there are videos."

STREAM: Responses = {
    200: {"description": "events `slate`, and a comment line at least each 15 s", "content": {"text/event-stream": {}}}
}
After = Annotated[
    str | None,
    Query(
        pattern=r"^[0-9]{1,9}:[0-9]{1,18}$",
        description="partition:offset of an event, as POST /v1/feedback gave them; the slate should reflect it",
        examples=["2:1041"],
    ),
]
WaitMs = Annotated[int, Query(ge=0, le=MAX_WAIT_MS, description="how long to wait until it does, ms", examples=[2000])]
Place = tuple[int, int]


@router.get(
    "/v1/users/{user_id:path}/slate",
    summary="The newest slate of a person",
    response_class=Response,
    responses=answers(ref("SlateAnswer")) | problems(404, 422),
)
async def slate(user_id: UserId, request: Request, after: After = None, wait_ms: WaitMs = 0) -> Response:
    """At once, or as soon as it reflects the event at `after`; at the time-out with `reflects: false`."""
    services: Services = request.app.state.services  # as a dependency it would cost a tenth of the whole
    place = _place(after)
    found = await services.slates.get(user_id)
    if place and wait_ms and not (found and found.reflects(*place)):
        found = await _waited(services, user_id, place, wait_ms)
    body = await _body(services, user_id, found, place)
    if body is None:
        raise ProblemError(404, NO_SLATE)
    return Response(body, media_type="application/json")


@router.get(
    "/v1/users/{user_id:path}/slates",
    summary="The slates of a person, as they are made",
    response_class=StreamingResponse,
    responses=STREAM | problems(422),
)
async def slates(user_id: UserId, services: Opened) -> StreamingResponse:
    """The newest at once, then each new one; whoever reads slowly gets the newest and misses those between."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(services, user_id), media_type="text/event-stream", headers=headers)


async def _waited(services: Services, user_id: str, place: Place, wait_ms: int) -> StoredSlate | None:
    """The person's slate once it reflects the event, or what there is at the time-out."""
    found: StoredSlate | None = None
    with services.waiters.listen(user_id) as changed:
        try:
            async with asyncio.timeout(wait_ms / 1000):
                while True:
                    changed.clear()
                    found = await services.slates.get(user_id)
                    if found and found.reflects(*place):
                        break
                    await changed.wait()
        except TimeoutError:
            pass
    return found


async def _body(services: Services, user_id: str, found: StoredSlate | None, place: Place | None) -> bytes | None:
    """The answer; one that has expired is renewed, and where that cannot be it is one for people without history."""
    now = now_ms()
    if found and now < found.expires_at_ms:
        return slate_body(found, reflects=place is None or found.reflects(*place), cold=False, now_ms=now)
    if found and (again := await services.renewed.slate(user_id, found, now)):
        return slate_body(again, reflects=place is None or again.reflects(*place), cold=False, now_ms=now)
    if (message := await services.cold.slate(user_id, now)) is None:
        return None
    return slate_body(StoredSlate.of(message), reflects=place is None, cold=True, now_ms=now)


async def _events(services: Services, user_id: str) -> AsyncIterator[bytes]:
    sent: StoredSlate | None = None
    waits_for_first = True
    with services.waiters.listen(user_id) as changed:
        while True:
            changed.clear()
            found = await services.slates.get(user_id)
            if waits_for_first or found != sent:
                body = await _body(services, user_id, found, None)
                yield b": no slate yet\n\n" if body is None else b"event: slate\ndata: %b\n\n" % body
                sent, waits_for_first = found, body is None
            try:
                async with asyncio.timeout(FIRST_S if waits_for_first else HEARTBEAT_S):
                    await changed.wait()
            except TimeoutError:
                if not waits_for_first:
                    yield b": still here\n\n"


def _place(after: str | None) -> Place | None:
    if after is None:
        return None
    partition, _, offset = after.partition(":")
    return int(partition), int(offset)
