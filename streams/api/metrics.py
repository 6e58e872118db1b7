"""What Prometheus asks of the API: requests by route and status, and how long they took."""

import time

from prometheus_client import Counter, Histogram, disable_created_metrics
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.metrics.exposition import registry_of
from streams.metrics.measures import Measures

disable_created_metrics()  # a gauge beside each series that says when it began, which workers do not have either

BUCKETS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Metrics:
    """The metrics of one application."""

    def __init__(self) -> None:
        self.registry = registry_of(Measures())  # what there is of every process
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


class Measured:
    """Counts every answer by the route that gave it."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, has_begun = time.perf_counter(), False

        def count(status: int) -> None:
            route = getattr(scope.get("route"), "path_format", "none")  # a path alone could be anything
            self._metrics.count(route, status, time.perf_counter() - started)

        async def counted(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                count(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, counted)
        except Exception:
            if not has_begun:
                count(500)  # by the outermost middleware, whose answer does not come by here
            raise
