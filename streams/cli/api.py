"""The command that serves the HTTP API."""

from typing import TYPE_CHECKING

from streams.cli.options import configured, echo_err, treat_sigterm_as_ctrl_c

if TYPE_CHECKING:
    from schemas.settings.model import Settings


@configured
def api(settings: "Settings") -> None:
    """Serve the HTTP API: slates, feedback and what the catalogue answers, until Ctrl-C."""
    from encoders.fusion.embeddings import fusion_of
    from schemas.topics import TOPICS
    from streams.api.access import require_tokens
    from streams.api.server import serve
    from streams.kafka import topic_admin
    from streams.kafka.probe import wait_for_authenticated_broker

    require_tokens(settings)
    fusion_of(settings)  # missing or damaged models are told in one sentence, before anything is opened
    treat_sigterm_as_ctrl_c()  # uvicorn takes both while it serves, and gives them on once all is closed
    try:
        wait_for_authenticated_broker(settings, echo_err)
        topic_admin.check(settings, TOPICS)
        serve(settings, echo_err)
    except KeyboardInterrupt:
        echo_err("stopped")
