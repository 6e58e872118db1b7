"""The command that serves the HTTP API."""

from typing import TYPE_CHECKING

from streams.cli.options import configured, echo_err

if TYPE_CHECKING:
    from schemas.settings.model import Settings


@configured
def api(settings: "Settings") -> None:
    """Serve the HTTP API, until Ctrl-C."""
    from streams.api.server import serve

    serve(settings, echo_err)
