"""The HTTP API as a process of its own."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from schemas.messages import feedback
from schemas.settings.model import Settings
from streams.local.broker import free_port
from streams.worker import processes, supervise
from tests.support.events import watched
from tests.support.forked import forked, freshet_command
from tests.support.system import wait_until


class Served:
    """A process of `freshet api`, and a client of it."""

    def __init__(self, settings: Settings, folder: Path, cold: bool = False) -> None:
        self.settings, self.port, self.cold = settings, free_port(), cold
        self.base = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        self.http = httpx.Client(base_url=self.base, timeout=30)
        self.log = folder / "api.log"

    def start(self) -> None:
        environ = supervise.environment(self.settings) | {"FRESHET_API_PORT": str(self.port)}
        if self.cold:
            with self.log.open("ab") as log:
                self.process = processes.start(supervise.api()["api"], log, environ)
        else:
            self.process = forked(freshet_command, ["api"], environ, self.log)
        wait_until("the API is ready", self.is_ready)

    def is_ready(self) -> bool:
        assert self.process is None or self.process.poll() is None, self.said()
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def said(self) -> str:
        return self.log.read_text("utf-8")


@contextmanager
def served(settings: Settings, folder: Path, cold: bool = False) -> Iterator[Served]:
    """Run it for the time of a `with`; a cold one imports everything itself."""
    api = Served(settings, folder, cold)
    try:
        api.start()
        yield api
    finally:
        api.http.close()
        if api.process is not None:
            processes.stop(api.process, 15)


def event(user_id: str, video_id: str, **more: Any) -> dict[str, Any]:
    sent: dict[str, Any] = json.loads(feedback.encode(watched(user_id, video_id, round(1000 * time.time()), **more)))
    return sent
