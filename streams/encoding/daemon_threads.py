"""Blocking calls that may hang for ever, in threads that nobody has to wait for."""

import asyncio
import errno
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

MOST = 64  # at the same time, those that were given up and hang included


class DaemonThreads:
    """Runs each call in a thread of its own, and leaves it behind where the caller gives up.

    asyncio's own pool has six threads on two cores, which the encoders and the Kafka client need: names that are not
    resolved, or a network file system that is away, would hold all of them, and the end of the process would wait.
    """

    def __init__(self, most: int = MOST) -> None:
        self._free = threading.Semaphore(most)

    async def run(self, call: Callable[[], T]) -> T:
        """The result of a call; an OSError where too many of them hang."""
        if not self._free.acquire(blocking=False):
            raise OSError(errno.EAGAIN, "too many calls hang already")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        threading.Thread(target=self._work, args=(call, loop, future), daemon=True).start()
        return await future

    def _work(self, call: Callable[[], T], loop: asyncio.AbstractEventLoop, future: "asyncio.Future[T]") -> None:
        report: Callable[[Any], None] = future.set_result
        try:
            result: Any = call()
        except Exception as error:
            report, result = future.set_exception, error
        finally:
            self._free.release()

        def deliver() -> None:
            if not future.done():  # given up meanwhile
                report(result)

        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(deliver)
