"""Uploads and withdrawals."""

from typing import Any

from fastapi import APIRouter, Request, Response

from schemas.messages import videos
from schemas.messages.dead_letters import DeadLetter
from schemas.published.json_schema import examples_of
from schemas.topics import UPLOADS
from streams.api.answers import answers, json_response, problems, ref, takes
from streams.api.clock import now_ms
from streams.api.errors import ProblemError
from streams.api.ids import VideoId
from streams.api.services import Opened, Services
from streams.dead_letters.validation import read_upload
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.records import Record

router = APIRouter(tags=["videos"])

EXAMPLE: dict[str, Any] = next(examples_of("Upload"))
PUBLISHED = answers(ref("Published"), status=202, description="published; agents take it up")


@router.post(
    "/v1/videos",
    summary="Upload a video, or correct what is said of it",
    status_code=202,
    response_class=Response,
    responses=PUBLISHED | problems(413, 422, 503),
    openapi_extra=takes(ref("Upload"), {"upload": EXAMPLE}),
)
async def upload(request: Request, services: Opened) -> Response:
    """A message of uploads.v1; answered once the broker has confirmed it."""
    body = await request.body()
    found = read_upload(Record(UPLOADS.full(services.settings.prefix), 0, 0, now_ms(), None, body))
    if isinstance(found, DeadLetter):
        raise ProblemError(422, found.detail, reason=found.reason.value)
    if isinstance(found, videos.Withdraw):
        raise ProblemError(422, "A withdrawal is DELETE /v1/videos/{video_id}.", reason="schema")
    return await _published(services, found.video_id, body)


@router.delete(
    "/v1/videos/{video_id:path}",
    summary="Withdraw a video",
    status_code=202,
    response_class=Response,
    responses=PUBLISHED | problems(422, 503),
)
async def withdraw(video_id: VideoId, services: Opened) -> Response:
    """From now on it is on no new slate."""
    return await _published(services, video_id, videos.encode(videos.Withdraw(video_id=video_id, at_ms=now_ms())))


async def _published(services: Services, video_id: str, value: bytes) -> Response:
    (written,) = await services.publisher.publish(UPLOADS, [Outgoing(video_id.encode(), value)])
    return json_response(written._asdict(), 202)
