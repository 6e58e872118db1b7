"""The profiles worker, killed the moment the broker has confirmed a floor: before any tombstone is sent."""

import os
import signal
from pathlib import Path

from schemas.settings.load import load, settings_file
from schemas.topics import ERASED
from streams import app
from streams.kafka.confirmed_producer import ConfirmedProducer
from streams.worker.run import run_worker


class DyingOutbox(ConfirmedProducer):
    """Takes the worker down after its first confirmed floor."""

    async def confirmed(self) -> None:
        floors = any(topic.endswith(ERASED.name) for topic, _ in self._waiting)
        await super().confirmed()
        if floors:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Run it in this process."""
    setattr(app, "ConfirmedProducer", DyingOutbox)  # noqa: B010  # the worker is the shipped one but for this
    run_worker("profiles", load({}, os.environ, settings_file(os.environ, Path.cwd())).settings)
