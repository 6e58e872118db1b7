"""What Prometheus asks of the API: requests by route and status, how long they took, and how far the slates are."""

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BUCKETS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Metrics:
    """The metrics of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "freshet_api_requests", "Requests answered", ["route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "freshet_api_request_seconds",
            "Time until an answer began",
            ["route"],
            registry=self.registry,
            buckets=BUCKETS_S,
        )

        self._series: dict[tuple[str, int], tuple[Counter, Histogram]] = {}  # to look one up takes longer than counting

    def count(self, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        series = self._series.get((route, status))
        if series is None:
            series = self._requests.labels(route, str(status)), self._seconds.labels(route)
            self._series[route, status] = series
        series[0].inc()
        series[1].observe(seconds)

    def gauge(self, name: str, text: str, ask: Callable[[], float]) -> None:
        """Add a figure that is asked for at each scrape."""
        Gauge(name, text, registry=self.registry).set_function(ask)


class Measured:
    """Counts every answer by the route that gave it."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path_format", "none")  # a path alone could be anything
                self._metrics.count(route, message["status"], time.perf_counter() - started)
            await send(message)

        await self._app(scope, receive, counted)
