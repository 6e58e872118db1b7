"""A person asks to be forgotten."""

from fastapi import APIRouter, Response

from schemas.messages.erasures import Erasure, encode
from schemas.topics import ERASURES
from streams.api.answers import answers, json_response, problems, ref
from streams.api.clock import now_ms
from streams.api.ids import UserId
from streams.api.services import Opened
from streams.kafka.confirmed_producer import Outgoing

router = APIRouter(tags=["people"])


@router.delete(
    "/v1/users/{user_id:path}",
    summary="Forget a person",
    status_code=202,
    response_class=Response,
    responses=answers(ref("Published"), status=202, description="asked for; agents apply it") | problems(422, 503),
)
async def erase(user_id: UserId, services: Opened) -> Response:
    """Everything until now; their slate goes with the tombstone that answers this."""
    value = encode(Erasure(user_id=user_id, at_ms=now_ms()))
    (written,) = await services.publisher.publish(ERASURES, [Outgoing(user_id.encode(), value)])
    return json_response(written._asdict(), 202)
