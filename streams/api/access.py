"""Who may ask what: tokens, the names by which the server may be called, the origin of requests that write."""

from starlette.types import ASGIApp, Receive, Scope, Send

from schemas.settings.model import Settings


class Access:
    """Answers what may not be asked, before any route sees it."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        await self._app(scope, receive, send)
