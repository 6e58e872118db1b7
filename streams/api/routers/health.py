"""Whether the process lives and is of use, and the documents that describe the API."""

from fastapi import APIRouter, Request, Response

from schemas.published.asyncapi import asyncapi
from streams.api.answers import answers, json_response, problems
from streams.api.errors import ProblemError
from streams.api.services import Opened
from streams.metrics.exposition import exposition

router = APIRouter(tags=["health"])

STATUS = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}
DOCS = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Freshet's HTTP API</title>
<h1>Freshet's HTTP API</h1><p><a href="/openapi.json">/openapi.json</a> describes every route, with examples;
<a href="/asyncapi.json">/asyncapi.json</a> the messages on Kafka. A viewer such as Swagger UI takes the first.</p>
</html>
"""


@router.get("/livez", summary="Whether the process lives", response_class=Response, responses=answers(STATUS))
async def livez() -> Response:
    """Always, as long as it answers."""
    return json_response({"status": "alive"})


@router.get(
    "/readyz",
    summary="Whether the slates are read to their end and the broker answers",
    response_class=Response,
    responses=answers(STATUS) | problems(503),
)
async def readyz(services: Opened) -> Response:
    """A process that is not ready answers with what it has."""
    if why := services.readiness.why_not_ready():
        raise ProblemError(503, why)
    return json_response({"status": "ready"})


@router.get(
    "/asyncapi.json",
    summary="The messages on Kafka, as AsyncAPI",
    response_class=Response,
    responses=answers({"type": "object"}),
)
async def messages(services: Opened) -> Response:
    """As docs/asyncapi.json, with this installation's prefix, partitions and replication."""
    settings = services.settings
    return json_response(asyncapi(settings.prefix, settings.partitions, settings.replication))


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """In the format that the reader asks for."""
    body, content_type = exposition(request.app.state.metrics.registry, request.headers.get("accept", ""))
    return Response(body, headers={"content-type": content_type})


@router.get("/docs", include_in_schema=False)
async def docs() -> Response:
    """Where the description is; a viewer would come from another host."""
    return Response(DOCS, media_type="text/html")
