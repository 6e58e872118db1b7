"""A clock for tests of time limits: it goes on only while everybody waits, so no machine is too slow for a limit."""

import asyncio
from typing import Any

GRACE_S = 0.05  # of real time, in which what is on its way through loopback arrives


def skip_idle_time() -> None:
    """From here on the running loop's time is that of its timers: where nothing else is left, the next one is due.

    Computing takes no time at all. Sockets that this loop serves too are waited for; another thread is not.
    """
    loop: Any = asyncio.get_running_loop()
    selector, now = loop._selector, loop.time()
    select = selector.select

    def skipping(wait_s: float | None) -> list[Any]:
        nonlocal now
        if wait_s is None or wait_s <= 0:
            return select(wait_s)  # type: ignore[no-any-return]
        found: list[Any] = select(min(wait_s, GRACE_S))
        now += 0.0 if found else wait_s
        return found

    selector.select, loop.time = skipping, lambda: now
