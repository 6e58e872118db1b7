"""HEAD, which monitors and players ask before they get: what GET answers, without its body."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

STREAMS = "/slates"  # of server-sent events: what GET answers there has no end


class Head:
    """Asks the routes for GET where HEAD is asked, and leaves the body out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http" or scope["method"] != "HEAD" or scope["path"].endswith(STREAMS):
            await self._app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self._app({**scope, "method": "GET"}, receive, without_body)
