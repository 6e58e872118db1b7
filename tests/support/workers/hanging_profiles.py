"""The profiles worker, but it hangs.

The delivery of its first poll never ends, and blocks the event loop (`block`) or only the poll (`wait`); or its
recovery never ends (`recover`).
"""

import asyncio
import os
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


def main(how: str) -> None:
    """Run it in this process."""
    if how == "recover":
        setattr(ProfileStore, "recover", _wait)  # noqa: B010  # a method takes no assignment that is typed
        health.MAX_RECOVERY_S = 5.0
    else:
        setattr(agent, "deliver", {"wait": _wait, "block": _block}[how])  # noqa: B010
    run_worker("profiles", load({}, os.environ, settings_file(os.environ, Path.cwd())).settings)
