"""A library that holds the interpreter of a worker does not hold the worker for ever."""

import subprocess
import sys

from tests.support.command import LIMIT_S

HELD = """
import ctypes, signal
from streams.worker import run as worker
worker.STOP_TIMEOUT_S, worker.FROZEN_S = 0.2, 0.3
worker.faust.Worker._schedule_shutdown = lambda *_: ctypes.PyDLL(None).sleep(3600)  # and no other thread gets a turn
worker.Worker._schedule_shutdown(worker.Worker.__new__(worker.Worker), signal.SIGTERM)
"""


def test_a_worker_whose_interpreter_is_held_by_a_library_ends_all_the_same() -> None:
    ended = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert ended.returncode == 1
    assert "Timeout (0:00:00.5" in ended.stderr
    assert "_schedule_shutdown" in ended.stderr  # says what held it
