"""The profiles worker, killed the moment the broker has confirmed an erasure marker: before any tombstone is sent."""

import os
import signal
from pathlib import Path

from schemas.settings.load import load, settings_file
from schemas.topics import ERASED
from streams import app
from streams.kafka.confirmed_producer import ConfirmedProducer
from streams.worker.run import run_worker


class DyingProducer(ConfirmedProducer):
    """Takes the worker down after its first confirmed marker."""

    async def confirmed(self) -> None:
        markers = any(topic.endswith(ERASED.name) for topic, _ in self._waiting)
        await super().confirmed()
        if markers:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Run it in this process."""
    setattr(app, "ConfirmedProducer", DyingProducer)  # noqa: B010  # the worker is the real one but for this
    run_worker("profiles", load({}, os.environ, settings_file(os.environ, Path.cwd())).settings)
