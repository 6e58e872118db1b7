"""The fault proxy does what it is told: a chaos test that injects nothing would prove nothing."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.proxy import HOST, MODES, Proxy, Step, read_schedule, schedule, write_schedule

LIMIT_S = 60.0  # of what comes at once


@pytest.fixture
def echo() -> Iterator[int]:
    """Port of a server that says everything back."""
    server = socket.create_server((HOST, 0))

    def answer(plug: socket.socket) -> None:
        with plug:
            try:
                while data := plug.recv(4096):
                    plug.sendall(data)
            except OSError:
                return  # the proxy cut it off

    def accept() -> None:
        while True:
            try:
                plug, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(plug,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield server.getsockname()[1]
    server.close()


@pytest.fixture
def proxy(echo: int) -> Iterator[Proxy]:
    with Proxy(echo) as running:
        yield running


def call(proxy: Proxy) -> socket.socket:
    return socket.create_connection((HOST, proxy.port), timeout=LIMIT_S)


def said_back(plug: socket.socket, data: bytes, limit_s: float = LIMIT_S) -> bytes:
    plug.settimeout(limit_s)
    plug.sendall(data)
    heard = b""
    while len(heard) < len(data) and (more := plug.recv(4096)):
        heard += more
    return heard


def test_everything_passes(proxy: Proxy) -> None:
    with call(proxy) as plug:
        assert said_back(plug, b"x" * 100_000) == b"x" * 100_000


def test_a_delay_holds_each_way_back(proxy: Proxy) -> None:
    proxy.set("delay", 150)
    with call(proxy) as plug:
        began = time.monotonic()
        assert said_back(plug, b"late") == b"late"
        assert time.monotonic() - began >= 0.3


def test_a_black_hole_answers_nothing_and_loses_nothing(proxy: Proxy) -> None:
    with call(proxy) as plug:
        assert said_back(plug, b"before") == b"before"
        with proxy.broken("blackhole"):
            with pytest.raises(TimeoutError):
                said_back(plug, b"held", limit_s=0.3)
            with call(proxy) as later, pytest.raises(TimeoutError):
                said_back(later, b"held too", limit_s=0.3)
        plug.settimeout(LIMIT_S)
        assert plug.recv(4096) == b"held"


def test_a_refusal_ends_what_stands_and_lets_nobody_in(proxy: Proxy) -> None:
    with call(proxy) as plug:
        assert said_back(plug, b"before") == b"before"
        with proxy.broken("refuse"):
            with pytest.raises(ConnectionResetError):
                plug.recv(1)
            with pytest.raises(ConnectionRefusedError):
                call(proxy)
    with call(proxy) as plug:
        assert said_back(plug, b"again") == b"again"


def test_a_reset_breaks_off_whoever_comes(proxy: Proxy) -> None:
    proxy.set("reset")
    with pytest.raises(ConnectionError), call(proxy) as plug:
        said_back(plug, b"anybody?")


def test_a_drop_lets_so_many_bytes_pass(proxy: Proxy) -> None:
    proxy.set("drop", 10)
    with pytest.raises(ConnectionError), call(proxy) as plug:
        said_back(plug, b"x" * 11)
    with call(proxy) as plug:
        assert said_back(plug, b"x" * 10) == b"x" * 10


def test_a_target_that_is_away_ends_the_connection(echo: int) -> None:
    with socket.create_server((HOST, 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(ConnectionError), Proxy(port) as proxy, call(proxy) as plug:
        said_back(plug, b"anybody?")


def test_a_seed_gives_its_schedule_and_the_file_brings_it_back(tmp_path: Path, proxy: Proxy) -> None:
    steps = schedule(seed=7, steps=50)
    assert schedule(seed=7, steps=50) == steps != schedule(seed=8, steps=50)
    assert {step.mode for step in steps} == set(MODES)
    write_schedule(tmp_path / "faults.jsonl", steps)
    assert read_schedule(tmp_path / "faults.jsonl") == steps
    proxy.play([Step(0, "refuse"), Step(0.1, "pass")])
    with call(proxy) as plug:
        assert said_back(plug, b"healed") == b"healed"
