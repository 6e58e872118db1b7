"""Where a Qdrant server is, whether its key may go there, and what its settings contradict each other in."""

from typing import Protocol
from urllib.parse import urlsplit

from pydantic import SecretStr

from schemas.settings.kafka_security import is_loopback


class Access(Protocol):
    """The settings of the connection to Qdrant, and of copies there."""

    @property
    def qdrant_url(self) -> str: ...
    @property
    def qdrant_api_key(self) -> SecretStr: ...
    @property
    def qdrant_read_key(self) -> SecretStr: ...
    @property
    def qdrant_ca(self) -> str: ...
    @property
    def qdrant_replicas(self) -> int: ...
    @property
    def qdrant_write_consistency(self) -> int: ...


def fault(access: Access) -> str | None:
    """Name the first contradiction with what to do, or None; never shows a secret. Without a server all is well."""
    if not access.qdrant_url:
        return None
    if access.qdrant_ca and urlsplit(access.qdrant_url).scheme != "https":
        return "FRESHET_QDRANT_CA is set and FRESHET_QDRANT_URL is not https; use https, or leave FRESHET_QDRANT_CA out"
    if access.qdrant_write_consistency > access.qdrant_replicas:
        return (
            f"FRESHET_QDRANT_WRITE_CONSISTENCY={access.qdrant_write_consistency} copies cannot have a write where"
            f" FRESHET_QDRANT_REPLICAS is {access.qdrant_replicas}; raise that, or lower the first"
        )
    return key_fault(access.qdrant_url, access.qdrant_api_key.get_secret_value()) or key_fault(
        access.qdrant_url, access.qdrant_read_key.get_secret_value(), "FRESHET_QDRANT_READ_KEY"
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
