"""The playground from outside: its own check holds, and it leaves nothing, on its own broker or on another's."""

import signal
import socket
import time
from pathlib import Path

import httpx
import pytest

from schemas.agents import needed
from schemas.settings.model import Settings
from streams.kafka import topic_admin
from streams.local.broker import free_port
from tests.support.metrics import faults, missing_in
from tests.support.playground import STOPS_WITHIN_S, invited, started
from tests.support.scraping import PORTS, scraping

pytestmark = [pytest.mark.connected, pytest.mark.slow, pytest.mark.usefixtures("all_there")]

LIMIT_S = 600  # 45 on two cores that have nothing else to do


def test_the_playground_does_what_a_person_expects_where_the_port_is_taken_and_leaves_nothing(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        running = started(tmp_path, f"127.0.0.1:{free_port()}", number, "--check")
        out, _ = running.communicate(timeout=LIMIT_S)
    assert running.returncode == 0, out
    assert f":{number}/" not in out
    assert "the slate shows more of it" in out
    assert "like → slate over HTTP, p50 / p95" in out
    assert list((tmp_path / "playground").iterdir()) == []


def test_its_people_go_on_watching_until_ctrl_c_and_their_topics_go_with_them(settings: Settings, tmp_path: Path):
    number = free_port()
    running = started(tmp_path, settings.bootstrap, number, FRESHET_METRICS_PORT=PORTS)
    with scraping(tmp_path, api=f"http://127.0.0.1:{number}/metrics") as pages:
        assert f"http://127.0.0.1:{number}/" in invited(running)
        latest = [_newest_slates(number)]
        while latest[-1] <= latest[0] + 5:
            time.sleep(1)
            latest.append(_newest_slates(number))
            assert len(latest) < LIMIT_S, "nobody goes on watching"
    assert pages.keys() == {*needed(""), "api"}
    assert faults(pages) == {}
    assert not {name for name in missing_in(pages.values()) if name.startswith("freshet_api")}
    own = settings.model_copy(update={"prefix": "freshet.playground-"})
    assert topic_admin.topic_configs(own)
    running.send_signal(signal.SIGINT)
    out, _ = running.communicate(timeout=STOPS_WITHIN_S)
    assert running.returncode == 0, out
    assert "all stopped" in out
    assert topic_admin.topic_configs(own) == {}
    assert list((tmp_path / "playground").iterdir()) == []


def _newest_slates(number: int) -> int:
    """How many slates the API has seen go by."""
    status = httpx.get(f"http://127.0.0.1:{number}/v1/status", timeout=60).json()
    return int(status["latency_ms"]["histogram"][-1][1])
