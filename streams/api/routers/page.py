"""The page at `/`, as it lies in streams/api/page: read once, and under a policy that lets it load from here alone."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from fastapi import APIRouter, HTTPException, Request, Response

FOLDER = Path(__file__).parent.parent / "page"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
HEADERS = {
    # Titles come from strangers: no inline script or style runs, and no text is ever parsed as HTML.
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; "
        "require-trusted-types-for 'script'"
    ),
    "Cache-Control": "no-cache",  # kept by the browser, and asked after by its ETag
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class PageFile(NamedTuple):
    """One file of the page, as it is sent."""

    body: bytes
    media_type: str
    etag: str


def read_files(folder: Path) -> dict[str, PageFile]:
    """Every file of a folder by its name; KeyError for one whose type no browser would be told."""
    return {path.name: page_file(path.read_bytes(), path.suffix) for path in sorted(folder.iterdir()) if path.is_file()}


def page_file(body: bytes, suffix: str) -> PageFile:
    """A file with its type and its ETag."""
    return PageFile(body, TYPES[suffix], f'"{hashlib.sha256(body).hexdigest()[:32]}"')


FILES = read_files(FOLDER)
router = APIRouter(include_in_schema=False)


@router.get("/")
async def page(request: Request) -> Response:
    """The page itself."""
    return answer("index.html", request)


@router.get("/static/{name}")
async def static_file(name: str, request: Request) -> Response:
    """A file that the page loads."""
    return answer(name, request)


def answer(name: str, request: Request) -> Response:
    """A file, or that it has not changed since the browser asked last."""
    found = FILES.get(name)
    if found is None:
        raise HTTPException(404, f"The page has no file {name!r}.")
    headers = {**HEADERS, "ETag": found.etag}
    if request.headers.get("If-None-Match") == found.etag:
        return Response(status_code=304, headers=headers)
    return Response(found.body, media_type=found.media_type, headers=headers)
