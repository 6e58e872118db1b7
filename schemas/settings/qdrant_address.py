"""Where a Qdrant server is, and whether its key may go there."""

from urllib.parse import urlsplit

from schemas.settings.kafka_security import is_loopback


def address_fault(url: str) -> str | None:
    """Why it is no address of a server, or None.

    >>> address_fault("localhost:6333")
    'has no scheme; write http://localhost:6333'
    """
    if url and "://" not in url:
        return f"has no scheme; write http://{url}"
    return None if _is_web_address(url) else "is not of the form http://host:port"


def key_fault(url: str, api_key: str) -> str | None:
    """Why a key may not be sent to this address, and what to do; None where it may."""
    parts = urlsplit(url)
    if not api_key or parts.scheme == "https" or is_loopback(parts.hostname or ""):
        return None
    return (
        f"FRESHET_QDRANT_URL=http://{parts.hostname} would carry the API key in the clear; use https, or leave"
        " FRESHET_QDRANT_API_KEY empty"
    )


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_place = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        return False
    return has_place and not (parts.username or parts.query or parts.fragment or any(map(str.isspace, url)))
