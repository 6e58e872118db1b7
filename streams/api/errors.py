"""The one shape of an error answer: problem details as RFC 9457 has them, without a trace of the code."""

import logging
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

log = logging.getLogger("freshet.api")

PROBLEM_JSON = "application/problem+json"
UNEXPECTED = "Something in Freshet failed; its log says what."


class ProblemError(HTTPException):
    """An answer that is no success: its status, one sentence, and members beside those that RFC 9457 names."""

    def __init__(self, status: int, detail: str, *, headers: dict[str, str] | None = None, **members: object) -> None:
        super().__init__(status, detail, headers)
        self.members = members


def problem(
    status: int, detail: str, *, headers: dict[str, str] | None = None, members: dict[str, object] | None = None
) -> Response:
    """An error as a response."""
    body: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    return Response(msgspec.json.encode(body | (members or {})), status, headers, PROBLEM_JSON)


def install(app: FastAPI) -> None:
    """Let every error of the application be answered by problem details."""

    @app.exception_handler(HTTPException)
    async def _known(_: Request, error: HTTPException) -> Response:
        members = error.members if isinstance(error, ProblemError) else None
        return problem(error.status_code, error.detail, headers=dict(error.headers or {}), members=members)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> Response:
        return problem(422, "; ".join(map(_sentence, error.errors()[:5])))

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return problem(500, UNEXPECTED)


def _sentence(fault: dict[str, Any]) -> str:
    """Pydantic's report of one parameter.

    >>> _sentence({"loc": ("query", "k"), "msg": "Input should be a valid integer"})
    'query k: Input should be a valid integer'
    """
    return f"{' '.join(map(str, fault['loc']))}: {fault['msg']}"
