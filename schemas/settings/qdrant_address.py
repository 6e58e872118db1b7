"""Where a Qdrant server is, whether its key may go there, and what its settings contradict each other in."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from schemas.settings.kafka_security import is_loopback

if TYPE_CHECKING:
    from schemas.settings.model import Settings


def fault(settings: "Settings") -> str | None:
    """Name the first contradiction with what to do, or None; never shows a secret. Without a server all is well."""
    if not settings.qdrant_url:
        return None
    if settings.qdrant_ca and urlsplit(settings.qdrant_url).scheme != "https":
        return "FRESHET_QDRANT_CA is set and FRESHET_QDRANT_URL is not https; use https, or leave FRESHET_QDRANT_CA out"
    if settings.qdrant_write_consistency > settings.qdrant_replicas:
        return (
            f"FRESHET_QDRANT_WRITE_CONSISTENCY={settings.qdrant_write_consistency} copies cannot have a write where"
            f" FRESHET_QDRANT_REPLICAS is {settings.qdrant_replicas}; raise that, or lower the first"
        )
    return key_fault(settings.qdrant_url, settings.qdrant_api_key.get_secret_value()) or key_fault(
        settings.qdrant_url, settings.qdrant_read_key.get_secret_value(), "FRESHET_QDRANT_READ_KEY"
    )


def address_fault(url: str) -> str | None:
    """Why it is no address of a server, or None.

    >>> address_fault("localhost:6333")
    'has no scheme; write http://localhost:6333'
    """
    if url and "://" not in url:
        return f"has no scheme; write http://{url}"
    return None if _is_web_address(url) else "is not of the form http://host:port"


def key_fault(url: str, api_key: str, variable: str = "FRESHET_QDRANT_API_KEY") -> str | None:
    """Why a key may not be sent to this address, and what to do; None where it may."""
    parts = urlsplit(url)
    if not api_key or parts.scheme == "https" or is_loopback(parts.hostname or ""):
        return None
    return (
        f"FRESHET_QDRANT_URL=http://{parts.hostname} would carry the API key in the clear; use https, or leave"
        f" {variable} empty"
    )


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_place = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        return False
    return has_place and not (parts.username or parts.query or parts.fragment or any(map(str.isspace, url)))
