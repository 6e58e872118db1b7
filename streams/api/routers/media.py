"""Media files below the media root."""

from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from streams.api.answers import Responses, answers, json_response, problems, ref
from streams.api.errors import ProblemError
from streams.api.media_files import media_type, place_below, write
from streams.api.services import Opened, Services

router = APIRouter(tags=["media"])

FILE = {"schema": {"type": "string", "format": "binary"}}
FOUND: Responses = {
    200: {"description": "the file", "content": {"*/*": FILE}},
    206: {"description": "the range asked for", "content": {"*/*": FILE}},
}
SANDBOX = {"Content-Security-Policy": "sandbox; default-src 'none'", "X-Content-Type-Options": "nosniff"}


@router.put(
    "/v1/media/{name:path}",
    summary="Put a media file where uploads may name it",
    status_code=201,
    response_class=Response,
    responses=answers(ref("MediaAnswer"), status=201, description="stored whole") | problems(403, 409, 413, 422, 507),
    openapi_extra={"requestBody": {"required": True, "content": {"application/octet-stream": FILE}}},
)
async def put(name: str, request: Request, services: Opened) -> Response:
    """The body is the file; a file of that name is replaced at once."""
    root, most = _root(services), services.settings.media_bytes
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > most:
        raise ProblemError(413, f"A media file may have {most} bytes.")
    size = await write(place_below(root, name), request.stream(), most)
    return json_response({"media_uri": name, "bytes": size}, 201)


@router.get(
    "/v1/media/{name:path}",
    summary="A media file",
    response_class=FileResponse,
    responses=FOUND | problems(403, 404, 416, 422),
)
async def get(name: str, services: Opened) -> FileResponse:
    """The file, or the range of it that is asked for."""
    place = place_below(_root(services), name)
    if not place.is_file():
        raise ProblemError(404, "There is no such file.")
    return FileResponse(place, media_type=media_type(name), headers=SANDBOX)


def _root(services: Services) -> Path:
    if not services.settings.media_root:
        raise ProblemError(403, "No media root is set: FRESHET_MEDIA_ROOT names the folder.")
    return Path(services.settings.media_root)
