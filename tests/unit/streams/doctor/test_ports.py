"""`freshet doctor` looks at the ports of metrics and of the HTTP API: free, ours, or somebody else's."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import msgspec
import pytest
import uvicorn

from schemas.settings.model import Settings
from streams.api.app import build
from streams.operations.doctor.finding import Finding
from streams.operations.doctor.ports import check_ports
from streams.worker.health import Status, status_folder


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, api_port=0)


def looked(settings: Settings, **changes: object) -> list[Finding]:
    return [*check_ports(settings.model_copy(update=changes))]


@contextmanager
def taken() -> Iterator[int]:
    """A port at which somebody listens and says nothing of ours."""
    with socket.create_server(("127.0.0.1", 0)) as other:

        def answer() -> None:
            while True:
                try:
                    connection, _ = other.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

        Thread(target=answer, daemon=True).start()
        yield other.getsockname()[1]
        other.shutdown(socket.SHUT_RDWR)


def test_a_port_of_metrics_that_is_taken_is_named(settings: Settings) -> None:
    with taken() as port:
        found = looked(settings, metrics_port=str(port))[0]
    assert found.level == "fail" and f"127.0.0.1:{port}: address already in use" in found.found
    assert "FRESHET_METRICS_PORT" in found.remedy
    assert looked(settings, metrics_port=str(port))[0].level == "ok"


def test_a_port_of_the_api_that_is_taken_is_named(settings: Settings) -> None:
    with taken() as port:
        found = looked(settings, api_port=port)[-1]
    assert found.level == "fail" and f"http://127.0.0.1:{port}: address already in use" in found.found
    assert "FRESHET_API_PORT" in found.remedy
    free = looked(settings, api_port=port)[-1]
    assert (free.level, free.found) == ("ok", f"the HTTP API can be served at http://127.0.0.1:{port}")


def test_an_address_that_is_not_of_this_machine_is_named(settings: Settings) -> None:
    found = looked(settings, api_host="192.0.2.1", api_port=8090)[-1]
    assert found.level == "fail" and "cannot assign requested address" in found.found


def test_an_api_that_runs_already_is_no_trouble(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port = bound.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(build(settings), log_config=None, lifespan="off"))
        serving = Thread(target=server.run, args=([bound],))
        serving.start()
        try:
            while not server.started:
                serving.join(0.02)
            (found,) = [one for one in looked(settings, api_port=port) if "HTTP API" in one.found]
        finally:
            server.should_exit = True
            serving.join()
    assert (found.level, found.found) == ("ok", f"the HTTP API answers at http://127.0.0.1:{port}")


def test_a_worker_that_does_not_answer_where_it_says_is_named(settings: Settings) -> None:
    folder = status_folder(settings)
    folder.mkdir(parents=True)
    url = "http://127.0.0.1:1/metrics"
    worker = Status(agent="ranker", pid=os.getpid(), state="ready", at_ms=1, metrics=url)
    (folder / "ranker-1.json").write_bytes(msgspec.json.encode(worker))
    found = looked(settings)[0]
    assert (found.level, found.found) == ("warn", f"ranker does not answer at {url}")
    assert "freshet health" in found.remedy
