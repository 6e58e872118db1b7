"""The application: routers, the one error shape, access, and services that live as long as it does."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI

from schemas.settings.model import Settings
from streams.api import errors
from streams.api.access import Access
from streams.api.routers import catalogue, feedback, health, media, operations, page, people, slates, uploads
from streams.api.services import Services

# In the order in which paths are tried: `/v1/videos/{video_id}` would take what is asked below a video.
ROUTERS = (health, slates, feedback, uploads, media, catalogue, people, operations, page)

OpenServices = Callable[[Settings], AbstractAsyncContextManager[Services]]


def build(settings: Settings, open_services: OpenServices) -> FastAPI:
    """The application.

    open_services  makes what the routes work with, for as long as the application runs; tests hand in their own
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings) as services:
            app.state.services = services
            yield

    app = FastAPI(title="Freshet", lifespan=lifespan, docs_url=None, redoc_url=None)
    errors.install(app)
    app.add_middleware(Access, settings=settings)
    for module in ROUTERS:
        app.include_router(module.router)
    return app
