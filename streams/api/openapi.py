"""The OpenAPI document: what FastAPI finds in the routes, with the messages' own schemas and examples."""

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from schemas import topics
from schemas.published.json_schema import VALUES, Json, definitions
from streams.api.catalogue import messages as of_catalogue
from streams.api.operations import messages as of_operations

PLACE = "#/components/schemas"
TOLD = (*of_catalogue.TYPES, *of_operations.TYPES)
MESSAGES = (topics.FEEDBACK, topics.UPLOADS, topics.RECOMMENDATIONS)
BEARER = {"type": "http", "scheme": "bearer", "description": "where tokens are set; the one to write reads too"}


def _object(required: list[str], **properties: Json) -> Json:
    return {"type": "object", "required": required, "properties": properties}


OFFSET: Json = {"type": "integer", "minimum": 0}
OWN: dict[str, Json] = {
    "Problem": _object(
        ["type", "title", "status", "detail"],
        type={"type": "string"},
        title={"type": "string"},
        status={"type": "integer"},
        detail={"type": "string", "description": "one sentence"},
    ),
    "Published": _object(["partition", "offset"], partition=OFFSET, offset=OFFSET),
    "SlateAnswer": _object(
        ["slate", "reflects", "cold", "age_ms"],
        slate={"$ref": f"{PLACE}/Recommendation"},
        reflects={"type": "boolean", "description": "whether it takes the event at `after` into account"},
        cold={"type": "boolean", "description": "made without a history of the person"},
        age_ms={"type": "integer", "minimum": 0, "description": "since it was made"},
    ),
    "Verdict": _object(
        ["status"],
        status={"enum": ["accepted", "rejected"]},
        partition=OFFSET,
        offset=OFFSET,
        reason={"type": "string", "description": "as the reason of a dead letter"},
        detail={"type": "string"},
    ),
    "FeedbackAnswer": _object(["results"], results={"type": "array", "items": {"$ref": f"{PLACE}/Verdict"}}),
    "MediaAnswer": _object(["media_uri", "bytes"], media_uri={"type": "string"}, bytes=OFFSET),
}


def install(app: FastAPI) -> None:
    """Let the application describe itself by this document."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to replace it


def _document(app: FastAPI) -> Json:
    found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    components: Json = found.setdefault("components", {})
    parts: Json = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        parts.pop(unused, None)
    for topic in MESSAGES:
        top, inner = definitions(VALUES[topic], PLACE)
        parts.update(inner)
        if topic is topics.FEEDBACK:
            parts["Feedback"] = top
    parts.update(OWN)
    _, told = msgspec.json.schema_components(TOLD, ref_template=f"{PLACE}/{{name}}")
    parts.update(told)
    components["securitySchemes"] = {"token": BEARER}
    found["security"] = [{}, {"token": []}]
    return found
