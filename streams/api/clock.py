"""The time as messages have it."""

import time


def now_ms() -> int:
    """Unix time in ms."""
    return time.time_ns() // 1_000_000
