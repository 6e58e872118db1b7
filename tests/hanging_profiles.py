"""The profiles worker, but its first fold never ends: it keeps the event loop (`block`), or only its poll (`wait`)."""

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

from schemas.settings import load, settings_file
from streams import profiles
from streams.worker import run_worker


async def _wait(*_: Any) -> None:
    await asyncio.Event().wait()


async def _block(*_: Any) -> None:
    time.sleep(3600)  # noqa: ASYNC251  # that is the fault


if __name__ == "__main__":
    first_step = {"wait": _wait, "block": _block}[sys.argv[1]]
    profiles.forget = first_step  # type: ignore[assignment]  # the worker is the shipped one but for this
    run_worker("profiles", load({}, os.environ, settings_file(os.environ, Path.cwd())).settings)
