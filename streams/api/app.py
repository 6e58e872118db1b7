"""The application: routers, the one error shape, access, and services that live as long as it does."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.routing import APIRoute

from schemas.settings.model import Settings
from streams.api import errors, openapi
from streams.api.access import Access
from streams.api.head import Head
from streams.api.metrics import Measured, Metrics
from streams.api.routers import catalogue, feedback, health, media, operations, page, people, slates, uploads
from streams.api.services import Services, open_services

# In the order in which paths are tried: what is asked most comes first, and `/v1/videos/{video_id}` after what is asked
# below a video, which it would take.
ROUTERS = (slates, feedback, health, media, catalogue, uploads, operations, people, page)
ABOUT = (
    "Slates, feedback and what the catalogue answers, over HTTP. Times are Unix ms; errors are problem details "
    "as RFC 9457 has them."
)

OpenServices = Callable[[Settings], AbstractAsyncContextManager[Services]]


def build(settings: Settings, opened: OpenServices = open_services) -> FastAPI:
    """The application.

    opened  makes what the routes work with, for as long as the application runs; tests hand in their own
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opened(settings) as services:
            app.state.services = services
            yield

    metrics = Metrics()
    app = FastAPI(
        title="Freshet",
        version=version("freshet"),
        description=ABOUT,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_name_of_function,
    )
    app.state.metrics = metrics
    errors.install(app)
    for module in ROUTERS:
        app.include_router(module.router)
    openapi.install(app)
    app.add_middleware(Head)
    app.add_middleware(Access, settings=settings)
    app.add_middleware(Measured, metrics=metrics)
    return app


def _name_of_function(route: APIRoute) -> str:
    return f"{route.tags[0] if route.tags else 'api'}_{route.name}"
