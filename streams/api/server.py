"""Serves the application by uvicorn."""

from contextlib import AbstractAsyncContextManager

import uvicorn

from schemas.settings.model import Settings
from streams.api.app import build
from streams.api.services import Services
from streams.kafka.probe import Report


def open_services(settings: Settings) -> AbstractAsyncContextManager[Services]:
    """What the routes work with, on the broker and the data folder of the settings."""
    raise NotImplementedError


def serve(settings: Settings, report: Report) -> None:
    """Serve until a signal ends it."""
    report(f"http://{settings.api_host}:{settings.api_port}")
    uvicorn.run(build(settings, open_services), host=settings.api_host, port=settings.api_port, log_config=None)
