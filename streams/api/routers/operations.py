"""What an operator asks: how the installation is doing, and what could not be used."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from schemas.messages.dead_letters import Reason
from streams.api.answers import answers, json_response, problems, ref
from streams.api.catalogue.state import CatalogueState
from streams.api.operations.messages import CatalogueAnswer
from streams.api.services import Opened

router = APIRouter(tags=["operations"])

MAX_LIMIT = 500

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="how many")]
OfReason = Annotated[Reason | None, Query(description="only of this reason")]


@router.get(
    "/v1/status",
    summary="How the installation is doing",
    response_class=Response,
    responses=answers(ref("StatusAnswer")) | problems(422),
)
async def status(services: Opened) -> Response:
    """Workers of this machine, dead letters of the last 24 hours, records a second, latency of slates, versions."""

    async def told(state: CatalogueState) -> tuple[dict[str, str], int]:
        return state.models, len(state)

    is_read = services.catalogue.is_read
    model, videos = await services.catalogue.ask(told) if is_read else ({}, 0)
    return json_response(await services.operations.status(model, CatalogueAnswer(is_read, videos)))


@router.get(
    "/v1/dead-letters",
    summary="What could not be used, and why",
    response_class=Response,
    responses=answers(ref("DeadLettersAnswer")) | problems(422, 503),
)
async def dead_letters(services: Opened, reason: OfReason = None, limit: Limit = 50) -> Response:
    """The newest first; of one reason those among the newest 5,000 of each partition."""
    return json_response(await services.dead_letters.newest(reason, limit))
