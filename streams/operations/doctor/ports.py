"""The ports that are served on: free, or answering because Freshet runs already."""

import http.client
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from schemas.settings.model import Settings
from schemas.settings.ports import http_url, ports
from streams.operations.doctor.finding import Finding, fail, ok, warn
from streams.worker.health import Status, statuses

ANSWER_S = 2.0
ALIVE = b'{"status":"alive"}'  # what the HTTP API answers at /livez


def check_ports(settings: Settings) -> Iterator[Finding]:
    """Whether metrics and the HTTP API can be served where the settings say, and what of ours is there answers."""
    yield from _metrics(settings, [one for one in statuses(settings) if one.metrics])
    yield from _api(settings)


def _metrics(settings: Settings, workers: list[Status]) -> Iterator[Finding]:
    silent = [one for one in workers if _get(one.metrics, "/livez") is None]
    for one in silent:
        yield warn("ports", f"{one.agent} does not answer at {one.metrics}", "`freshet health` says how it is doing.")
    wanted = ports(settings.metrics_port)
    if not wanted:
        yield ok("ports", f"no port for metrics is set; {len(workers)} workers serve them")
        return
    faults = {port: why for port in wanted if (why := why_taken(settings.metrics_host, port))}
    at = f"{settings.metrics_host}:{settings.metrics_port}"
    if len(faults) < len(wanted) or any(urlsplit(one.metrics).port in wanted for one in workers):
        yield ok("ports", f"metrics can be served at {at}")
    else:
        remedy = "Stop what listens there, or set FRESHET_METRICS_PORT to another port, or a range."
        yield fail("ports", f"metrics cannot be served at {at}: {faults[wanted[0]]}", remedy)


def _api(settings: Settings) -> Iterator[Finding]:
    if not settings.api_port:
        yield ok("ports", "the HTTP API takes any free port")
        return
    url = http_url(settings.api_host, settings.api_port)
    why = why_taken(settings.api_host.strip("[]"), settings.api_port)
    if not why:
        yield ok("ports", f"the HTTP API can be served at {url}")
    elif _get(url, "/livez") == ALIVE:
        yield ok("ports", f"the HTTP API answers at {url}")
    else:
        remedy = "Stop what listens there, or name another FRESHET_API_PORT, or 0 for any free one."
        yield fail("ports", f"the HTTP API cannot be served at {url}: {why}, and no Freshet answers there", remedy)


def why_taken(host: str, port: int) -> str:
    """Why a port cannot be listened on; an empty text where it can."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return ""


def _get(url: str, path: str) -> bytes | None:
    """The body of a 200 at a path of this server; None where there is none in time."""
    place = urlsplit(url)
    asked = http.client.HTTPConnection(place.hostname or "", place.port, timeout=ANSWER_S)
    try:
        asked.request("GET", path)
        answer = asked.getresponse()
        return answer.read(1000) if answer.status == http.HTTPStatus.OK else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        asked.close()
