"""Answers whose JSON is made by hand: a slate goes out as the bytes that came in."""

from typing import Any

import msgspec
from fastapi import Response

from streams.api.slate_store import StoredSlate

_TRUE, _FALSE = b"true", b"false"


def json_response(value: object, status: int = 200) -> Response:
    """A value as JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def slate_body(slate: StoredSlate, *, reflects: bool, cold: bool, now_ms: int) -> bytes:
    """The answer about one slate.

    >>> slate_body(StoredSlate(1, 5, 9, 4, 0, 7, -1, b'{"version":1}'), reflects=True, cold=False, now_ms=8)
    b'{"slate":{"version":1},"reflects":true,"cold":false,"age_ms":3}'
    """
    head = b'{"slate":%b,"reflects":%b,"cold":%b,"age_ms":%d}'
    age_ms = max(0, now_ms - slate.generated_at_ms)
    return head % (slate.message, _TRUE if reflects else _FALSE, _TRUE if cold else _FALSE, age_ms)


PROBLEM_REF: dict[str, Any] = {"$ref": "#/components/schemas/Problem"}


Responses = dict[int | str, dict[str, Any]]


def problems(*statuses: int) -> Responses:
    """OpenAPI's entries for errors."""
    content = {"application/problem+json": {"schema": PROBLEM_REF}}
    return {status: {"description": "problem details (RFC 9457)", "content": content} for status in statuses}


def answers(schema: dict[str, Any], *, status: int = 200, description: str = "the answer") -> Responses:
    """OpenAPI's entry for a JSON answer."""
    return {status: {"description": description, "content": {"application/json": {"schema": schema}}}}


def ref(name: str) -> dict[str, Any]:
    """A reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def takes(schema: dict[str, Any], examples: dict[str, Any]) -> dict[str, Any]:
    """OpenAPI's entry for a JSON body, for `openapi_extra`; examples by name."""
    named = {name: {"value": value} for name, value in examples.items()}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema, "examples": named}}}}
