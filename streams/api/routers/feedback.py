"""Feedback, each event with its own verdict."""

from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from schemas.messages import lenient
from schemas.messages.dead_letters import Reason
from schemas.published.json_schema import examples_of
from schemas.topics import FEEDBACK
from streams.api.answers import answers, json_response, problems, ref, takes
from streams.api.clock import now_ms
from streams.api.errors import ProblemError
from streams.api.services import Opened
from streams.dead_letters.validation import RejectedRecord, read_event
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.records import Record

router = APIRouter(tags=["feedback"])

MAX_EVENTS = 500
Verdict = dict[str, Any]
_split = msgspec.json.Decoder(list[msgspec.Raw]).decode
EXAMPLE: dict[str, Any] = next(examples_of("Watch"))
BODY = {"anyOf": [ref("Feedback"), {"type": "array", "maxItems": MAX_EVENTS, "items": ref("Feedback")}]}


@router.post(
    "/v1/feedback",
    summary="Publish what people did",
    response_class=Response,
    responses=answers(ref("FeedbackAnswer")) | problems(400, 413, 503),
    openapi_extra=takes(BODY, {"one": EXAMPLE, "several": [EXAMPLE]}),
)
async def feedback(request: Request, services: Opened) -> Response:
    """One event or a list; answered once the broker has confirmed every one that can be used."""
    raws, verdicts, accepted = _events(await request.body()), [], []
    now, topic = now_ms(), FEEDBACK.full(services.settings.prefix)
    for raw in raws:
        try:
            event = read_event(Record(topic, 0, 0, now, None, raw))
        except RejectedRecord as rejection:
            verdicts.append(_rejected(rejection))
        else:
            verdicts.append({"status": "accepted"})
            accepted.append(Outgoing(event.user_id.encode(), raw))
    places = iter(await services.publisher.publish(FEEDBACK, accepted) if accepted else ())
    for verdict in verdicts:
        if verdict["status"] == "accepted":
            verdict["partition"], verdict["offset"] = next(places)
    return json_response({"results": verdicts})


def _events(body: bytes) -> list[bytes]:
    """Each event's own bytes, as they are published."""
    body = body.removeprefix(lenient.BYTE_ORDER_MARK)
    if body.lstrip()[:1] != b"[":
        return [body]
    try:
        raws = [bytes(raw) for raw in _split(body)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if not (raws := lenient.split(body)):
            raise ProblemError(400, f"The body is no JSON: {error}.") from None
    if len(raws) > MAX_EVENTS:
        raise ProblemError(413, f"{len(raws)} events in one request, {MAX_EVENTS} are the most.")
    return raws


def _rejected(rejection: RejectedRecord) -> Verdict:
    return {"status": "rejected", "reason": Reason(rejection.reason).value, "detail": rejection.detail}
