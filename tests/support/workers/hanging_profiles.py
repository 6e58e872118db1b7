"""The profiles worker, but it hangs.

The delivery of its first poll never ends, and blocks the event loop (`block`) or only the poll (`wait`); or its
recovery never ends (`recover`).
"""

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

from schemas.settings.load import load, settings_file
from streams.profiles import agent
from streams.profiles.store import ProfileStore
from streams.worker import health
from streams.worker.run import run_worker


async def _wait(*_: Any) -> None:
    await asyncio.Event().wait()


async def _block(*_: Any) -> None:
    time.sleep(3600)  # noqa: ASYNC251  # that is the fault


if __name__ == "__main__":
    if sys.argv[1] == "recover":
        ProfileStore.recover = _wait  # type: ignore[method-assign]
        health.MAX_RECOVERY_S = 5.0
    else:
        agent.deliver = {"wait": _wait, "block": _block}[sys.argv[1]]  # type: ignore[assignment]
    run_worker("profiles", load({}, os.environ, settings_file(os.environ, Path.cwd())).settings)
