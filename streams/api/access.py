"""Who may ask what: tokens, the names by which the server is called, the origin of what writes, the size of bodies."""

import asyncio
import hmac
import math
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schemas.settings.kafka_security import is_loopback
from schemas.settings.model import Settings
from streams.api.errors import ProblemError, problem
from streams.errors import OperatorError

COOKIE = "freshet_token"  # for what cannot send a header: an event source, a picture
MAX_BODY = 1024 * 1024
BODY_S = 30.0  # for all of a body: a connection that sends a byte now and then is one of few
MEDIA = "/v1/media/"  # whose bodies have a limit of their own
OPEN = ("/livez", "/readyz", "/openapi.json", "/asyncapi.json", "/docs", "/")  # without a token: they hold no data
OPEN_FOLDER = "/static/"
READING_POSTS = ("/v1/videos/lookup",)
SAFE = ("GET", "HEAD", "OPTIONS")
KNOWN_HOSTS = 100  # Host headers that need not be taken apart again
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


def require_tokens(settings: Settings) -> None:
    """Refuse to start where whoever reaches the address could read or write; OperatorError."""
    read, write = settings.api_read_token.get_secret_value(), settings.api_write_token.get_secret_value()
    if not is_loopback(settings.api_host.strip("[]")) and not (read and write):
        raise OperatorError(
            f"The HTTP API would be open to everybody who reaches {settings.api_host}.",
            "Set FRESHET_API_READ_TOKEN and FRESHET_API_WRITE_TOKEN, or leave FRESHET_API_HOST at 127.0.0.1.",
        )
    if read and (not write or read == write):
        raise OperatorError(
            "A token to read guards nothing where writing takes none, or the same one.",
            "Set FRESHET_API_WRITE_TOKEN to a token of its own.",
        )


class Access:
    """Answers what may not be asked, before any route sees it."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._read = settings.api_read_token.get_secret_value().encode()
        self._write = settings.api_write_token.get_secret_value().encode()
        further = (name.strip() for name in settings.api_hosts.split(","))
        self._hosts = {name.lower() for name in (*LOOPBACK_NAMES, settings.api_host.strip("[]"), *further) if name}
        self._known_hosts: set[bytes] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except ProblemError as refusal:
            await problem(refusal.status_code, refusal.detail, headers=dict(refusal.headers or {}))(
                scope, receive, send
            )
            return
        if scope["method"] in SAFE or scope["path"].startswith(MEDIA):
            await self._app(scope, receive, send)
        else:
            await self._app(scope, _limited(receive), send)

    def _check(self, scope: Scope) -> None:
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"")
        if host not in self._known_hosts:
            if _name_of(host.decode("latin-1")) not in self._hosts:
                raise ProblemError(421, "The server does not go by this name; FRESHET_API_HOSTS lists further ones.")
            if len(self._known_hosts) < KNOWN_HOSTS:
                self._known_hosts.add(host)
        path, is_safe = scope["path"], scope["method"] in SAFE
        if not is_safe:
            _check_origin(headers.get(b"origin"), host.decode("latin-1"))
            length = headers.get(b"content-length", b"0")
            if length.isdigit() and int(length) > MAX_BODY and not path.startswith(MEDIA):
                raise _too_large()
            if headers.get(b"content-encoding", b"identity").lower() != b"identity":
                raise ProblemError(415, "Bodies are read as they are: send this one without Content-Encoding.")
        self._check_token(headers, path, is_safe or path in READING_POSTS)

    def _check_token(self, headers: dict[bytes, bytes], path: str, reads: bool) -> None:
        if not (self._read if reads else self._write):
            return
        if reads and (path in OPEN or path.startswith(OPEN_FOLDER)):
            return
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        given = token.strip() if scheme.lower() == b"bearer" else b""
        if _same(given, self._write):
            return
        known = self._read, self._write
        if reads and any(_same(one, token) for one in (given, _cookie(headers)) for token in known):
            return
        if _same(given, self._read):
            raise ProblemError(403, "This token is for reading; writing takes the other one.")
        raise ProblemError(401, "A token is needed: Authorization: Bearer ….", headers={"WWW-Authenticate": "Bearer"})


def _same(given: bytes, wanted: bytes) -> bool:
    """Compare in a time that says nothing of where they differ."""
    return bool(given) and bool(wanted) and hmac.compare_digest(given, wanted)


def _cookie(headers: dict[bytes, bytes]) -> bytes:
    try:
        found = SimpleCookie(headers.get(b"cookie", b"").decode("latin-1")).get(COOKIE)
    except CookieError:
        return b""
    return found.value.encode() if found else b""


def _name_of(host: str) -> str:
    """The name of a Host header without its port.

    >>> [_name_of(host) for host in ("Localhost:8090", "[::1]:8090", "127.0.0.1", "")]
    ['localhost', '::1', '127.0.0.1', '']
    """
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _check_origin(origin: bytes | None, host: str) -> None:
    """Refuse what a page of another host sends; programs send no origin."""
    if origin is None:
        return
    try:
        is_own = urlsplit(origin.decode("latin-1")).netloc.lower() == host.lower()
    except ValueError:
        is_own = False
    if not is_own:
        raise ProblemError(403, "A page of another host may not write here.")


def _too_large() -> ProblemError:
    return ProblemError(413, f"A body may have {MAX_BODY} bytes.")


def _limited(receive: Receive) -> Receive:
    """The same messages, until their bodies are more than allowed, or take too long to come."""
    size, end_s = 0, asyncio.get_running_loop().time() + BODY_S

    async def limited() -> Message:
        nonlocal size, end_s
        try:
            async with asyncio.timeout_at(end_s):
                message = await receive()
        except TimeoutError:
            raise ProblemError(408, f"A body has {BODY_S:g} s to come.", headers={"Connection": "close"}) from None
        if not message.get("more_body"):
            end_s = math.inf  # what comes behind a body is that its sender has gone
        size += len(message.get("body", b""))
        if size > MAX_BODY:
            raise _too_large()
        return message

    return limited
