"""Says when all workers that were started are ready, and what to do next."""

import http.client
import time
from collections.abc import Callable, Iterable, Sequence

from schemas.agents import FOR_DATA
from schemas.settings.model import Settings
from schemas.settings.ports import http_url
from streams.kafka.probe import Report
from streams.worker.health import Status, statuses
from streams.worker.supervise import Processes

LOOK_INTERVAL_S = 1.0
ANSWER_S = 0.5  # in which the HTTP API says whether it is ready
API = "api"  # its process, which writes no status file
NEXT = (
    "next: open the page, or `freshet send FILE` to publish uploads and events, `freshet watch` to see slates, "
    "`freshet status` to see the workers; Ctrl-C stops all"
)


OnReady = Callable[[Sequence[Status], str | None], None]


class Readiness:
    """Looks at the status files of processes: once all are ready it says so, with where each serves its metrics.

    on_ready  is then called with their statuses and the address of the page, where one is served
    """

    def __init__(
        self,
        settings: Settings,
        report: Report,
        now_s: Callable[[], float] = time.monotonic,
        read: Callable[[Settings], Sequence[Status]] = statuses,
        is_api_ready: Callable[[Settings], bool] | None = None,
        next_steps: str = NEXT,
        on_ready: OnReady = lambda *_: None,
    ) -> None:
        self._settings, self._report, self._now_s, self._read = settings, report, now_s, read
        self._is_api_ready = is_api_ready or api_is_ready
        self._next_steps, self._on_ready = next_steps, on_ready
        self._began_s = now_s()
        self._looked_s = float("-inf")
        self._ready: dict[str, int] = {}  # process by name, of those that were found ready
        self._was_said = False

    def look(self, processes: Processes) -> None:
        """Look once a second; what was started again is named when it is ready again."""
        if self._now_s() - self._looked_s < LOOK_INTERVAL_S:
            return
        self._looked_s = self._now_s()
        pids = {process.pid: name for name, process in processes.items()}
        found = {pids[one.pid]: one for one in self._read(self._settings) if one.pid in pids and _is_up(one)}
        for name, status in found.items():
            if self._was_said and self._ready.get(name) != status.pid:
                self._report(f"{name} is ready again")
            self._ready[name] = status.pid
        if not self._was_said and found.keys() == processes.keys() - {API}:
            has_api = API in processes
            if not has_api or self._is_api_ready(self._settings):
                self._was_said = True
                self._say(found.values(), has_api)

    def _say(self, found: Iterable[Status], has_api: bool) -> None:
        ready = [*found]
        self._report(f"all {len(ready)} workers are ready after {self._now_s() - self._began_s:.0f} s")
        for one in ready:
            waits = f"waits for {' and '.join(one.waits_for)}" if one.waits_for else ""
            if said := ", ".join(filter(None, (one.metrics, waits))):
                self._report(f"  {one.agent:<10}{said}")
        served = has_api and self._settings.api_port
        page = f"{http_url(self._settings.api_host, self._settings.api_port)}/" if served else None
        if page:
            self._report(f"  {'page':<10}{page}")
        if self._next_steps:
            self._report(self._next_steps)
        self._on_ready(ready, page)


def _is_up(status: Status) -> bool:
    return status.state == "ready" or (status.state == "waiting" and set(status.waits_for) <= set(FOR_DATA))


def api_is_ready(settings: Settings) -> bool:
    """Whether the HTTP API says so at its own address; where that is any free port, it is taken for ready."""
    if not settings.api_port:
        return True
    asked = http.client.HTTPConnection(settings.api_host.strip("[]"), settings.api_port, timeout=ANSWER_S)
    try:
        asked.request("GET", "/readyz")
        return asked.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):  # the second: somebody else's server, which the API itself reports
        return False
    finally:
        asked.close()
