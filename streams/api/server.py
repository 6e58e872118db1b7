"""Serves the application by uvicorn, on a socket that is bound before anything else is opened."""

import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

import uvicorn

from schemas.settings.model import Settings
from schemas.settings.ports import http_url
from schemas.topics import RECOMMENDATIONS
from streams.api.access import require_tokens
from streams.api.app import OpenServices, build
from streams.api.services import Services, open_services
from streams.errors import OperatorError
from streams.kafka.lost_broker import say_outages_once
from streams.kafka.probe import Report
from streams.worker.log_format import set_format

STOP_TIMEOUT_S = 3  # for answers that are being given; streams never end by themselves
MAX_CONNECTIONS = 4096  # then 503
BACKLOG = 1024


def serve(settings: Settings, report: Report) -> None:
    """Serve until a signal ends it."""
    require_tokens(settings)
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    set_format(logging.getLogger(), settings.log_format, "api")
    say_outages_once(settings, RECOMMENDATIONS.full(settings.prefix))
    with _bound(settings) as bound:
        report(f"HTTP API on {http_url(settings.api_host, bound.getsockname()[1])}")
        refused: list[Exception] = []
        config = uvicorn.Config(
            build(settings, noting(open_services, refused)),
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_graceful_shutdown=STOP_TIMEOUT_S,
        )
        with _without_traceback(refused):
            uvicorn.Server(config).run([bound])


@contextmanager
def _without_traceback(refused: list[Exception]) -> Iterator[None]:
    """Raise what was refused, in place of the traceback and the exit of uvicorn."""
    log = logging.getLogger("uvicorn.error")

    def is_wanted(_: logging.LogRecord) -> bool:
        return not refused

    log.addFilter(is_wanted)
    try:
        yield
    except SystemExit:
        if refused:
            raise refused[0] from None
        raise
    finally:
        log.removeFilter(is_wanted)


def noting(opened: OpenServices, refused: list[Exception]) -> OpenServices:
    """The same services; the error by which they cannot be opened is noted too, as uvicorn keeps it to itself."""

    @asynccontextmanager
    async def noted(settings: Settings) -> AsyncIterator[Services]:
        async with AsyncExitStack() as stack:
            try:
                services = await stack.enter_async_context(opened(settings))
            except Exception as error:  # settings, models, folders, servers: the command line has a sentence for each
                refused.append(error)
                raise
            yield services

    return noted


def _bound(settings: Settings) -> socket.socket:
    """The socket that the API listens on; OperatorError where it cannot be had."""
    address, port = settings.api_host.strip("[]"), settings.api_port
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)  # by the last asyncio knows that it may set TCP_NODELAY
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(place)
        bound.listen(BACKLOG)
    except OSError as error:
        raise OperatorError(
            f"The HTTP API cannot listen on {address} port {port}: {error.strerror}.",
            "Name another FRESHET_API_PORT, or 0 for any free one.",
        ) from None
    return bound
