"""The compose file's health checks: each asks where the process answers, and the broker's is tried on brokers."""

import re
import socket
import subprocess
import threading

import pytest

from schemas.settings.load import load
from schemas.settings.ports import ports
from streams.local.broker import LocalBroker, free_port
from streams.metrics.exposition import registry_of
from streams.metrics.measures import Measures
from streams.metrics.server import MetricsServer
from tests.meta.test_deployment_files import SERVICES, TOKENS, WORKERS, environment


@pytest.mark.parametrize("service", sorted({*SERVICES} - {"topics"}))  # which ends
def test_every_service_that_stays_has_a_health_check_that_starts_no_program_of_weight(service: str) -> None:
    check = SERVICES[service]["healthcheck"]
    assert check["test"][:2] in (["CMD", "bash"], ["CMD", "wget"])  # no JVM, and no Python
    assert {"interval", "timeout", "retries", "start_period"} <= check.keys()


def asked_of(service: str) -> tuple[int, str]:
    """The port and the path that a health check of a service asks for."""
    script = SERVICES[service]["healthcheck"]["test"][-1]
    (port,), (path,) = re.findall(r"/dev/tcp/127\.0\.0\.1/(\d+) ", script), re.findall(r"'GET (/\w+) ", script)
    return int(port), path


@pytest.mark.parametrize("service", [*WORKERS, "api"])
def test_a_health_check_asks_where_the_process_answers(service: str) -> None:
    settings = load({}, environment(service) | TOKENS, None).settings
    served = (settings.api_port, "/readyz") if service == "api" else (int(settings.metrics_port), "/livez")
    assert asked_of(service) == served


def kafka_check(port: int) -> subprocess.CompletedProcess[bytes]:
    """The broker's health check as its container runs it, at another port."""
    script = SERVICES["kafka"]["healthcheck"]["test"][-1].replace("$$", "$")
    return subprocess.run(["timeout", "20", "bash", "-c", script.replace("/9092", f"/{port}")], capture_output=True)


@pytest.mark.connected
def test_the_brokers_health_check_tells_a_broker_from_what_is_none(broker: LocalBroker) -> None:
    assert kafka_check(int(broker.bootstrap.rpartition(":")[2])).returncode == 0
    assert kafka_check(free_port()).returncode != 0
    with socket.create_server(("127.0.0.1", 0)) as other:  # something that takes connections and hangs up
        hang_up = threading.Thread(target=lambda: other.accept()[0].close())
        hang_up.start()
        assert kafka_check(other.getsockname()[1]).returncode != 0
        hang_up.join()


@pytest.mark.parametrize("lives", [True, False])
def test_a_workers_health_check_takes_what_the_worker_answers(lives: bool) -> None:
    def livez() -> tuple[bool, dict[str, object]]:
        return lives, {}

    server = MetricsServer("127.0.0.1", ports("20000-29999"), registry_of(Measures()), livez, livez)
    server.start()
    try:
        script = SERVICES["profiles"]["healthcheck"]["test"][-1].replace("/9464", f"/{server.port}")
        assert (subprocess.run(["bash", "-c", script], check=False).returncode == 0) is lives
    finally:
        server.close()
