"""/metrics, /livez and /readyz on one port, in threads beside the event loop: they answer while it is busy."""

import json
import logging
import socket
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from schemas.settings.ports import Ports, http_url
from streams.errors import OperatorError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

log = logging.getLogger("freshet.metrics")

REQUEST_TIMEOUT_S = 10.0  # of a client that does not finish what it asks
REMEDY = "Stop what listens there, or set FRESHET_METRICS_PORT to another port, or to a range such as 9464-9563."

Health = Callable[[], tuple[bool, Mapping[str, object]]]  # whether all is well, and what is said of it


class MetricsServer:
    """Serves a registry and two questions about the process, from `start` until the process ends or `close`.

    host, ports  where it listens: at the first free one of the ports; OperatorError where none is, at once
    """

    def __init__(self, host: str, ports: Ports, registry: "CollectorRegistry", livez: Health, readyz: Health) -> None:
        routes = {"/livez": livez, "/readyz": readyz}
        self._server = _bound(host, ports, type("Handler", (_Handler,), {"registry": registry, "health": routes}))
        self.port: int = self._server.server_address[1]
        self.url = f"{http_url(host, self.port)}/metrics"

    def start(self) -> None:
        """Begin to answer."""
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def close(self) -> None:
        """Answer no more, and free the port."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away before its answer is no event either."""
        log.debug("no answer to %s", client_address, exc_info=True)


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    registry: "CollectorRegistry"
    health: Mapping[str, Health]
    timeout = REQUEST_TIMEOUT_S
    server_version, sys_version = "freshet", ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            from streams.metrics.exposition import exposition

            try:
                found = exposition(self.registry, self.headers.get("Accept", ""))
            except Exception:  # whatever a gauge of an agent in the making raises: the next scrape may fare better
                log.exception("the metrics cannot be read")
                self._answer(500, b"the worker's log says why\n", "text/plain; charset=utf-8")
            else:
                self._answer(200, *found)
        elif path in self.health:
            is_well, said = self.health[path]()
            self._answer(200 if is_well else 503, json.dumps(said).encode() + b"\n", "application/json")
        else:
            self._answer(404, b"here are /metrics, /livez and /readyz\n", "text/plain; charset=utf-8")

    do_HEAD = do_GET

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep silent: a scrape is no event."""


def _bound(host: str, ports: Ports, handler: type[_Handler]) -> _Server:
    make, why = _Server6 if ":" in host else _Server, ""
    for port in ports:
        try:
            return make((host.strip("[]"), port), handler)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
    where = f"{host}:{ports[0]}" if len(ports) == 1 else f"{host}, ports {ports[0]} to {ports[-1]}"
    raise OperatorError(f"Metrics cannot be served at {where}: {why}.", REMEDY)
