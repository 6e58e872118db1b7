"""What a worker waits for outside itself."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Waits:
    """What a worker waits for outside itself: no reason to end it, but it is not ready meanwhile."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Name what is waited for, for the time of a `with`."""
        self._since[what] = time.monotonic()
        try:
            yield
        finally:
            self._since.pop(what, None)

    def background(self, what: str, going_on: bool) -> None:
        """Name what goes on outside while records are handled: no reason to end the worker, which is ready."""
        if going_on:
            self._since[what] = math.inf
        else:
            self._since.pop(what, None)

    def outside(self, what: str, *, going_on: bool) -> None:
        """Name what keeps the worker from going on for as long as others leave it so: it is not ready meanwhile."""
        if going_on:
            self._since.setdefault(what, time.monotonic())
        else:
            self._since.pop(what, None)

    def now(self, longer_s: float = -math.inf) -> list[str]:
        """What has been waited for, for so long at least; without a time also what goes on in the background."""
        now = time.monotonic()
        return sorted(what for what, since in self._since.copy().items() if now - since >= longer_s)
