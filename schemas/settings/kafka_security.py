"""How to connect to Kafka: which settings belong together, and what is wrong where they contradict each other."""

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas.settings.model import Settings


def speaks_tls(security: str) -> bool:
    """Whether connections are encrypted."""
    return security.endswith("ssl")


def asks_password(security: str) -> bool:
    """Whether the broker requires a user and a password."""
    return security.startswith("sasl")


def is_loopback(host: str) -> bool:
    """Whether a host name means this machine.

    >>> [is_loopback(host) for host in ("localhost", "127.0.0.1", "::1", "127.0.0.1.example.com")]
    [True, True, True, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def fault(settings: "Settings") -> str | None:
    """Name the first contradiction with what to do, or None; never shows a secret."""
    return _of_password(settings) or _of_certificates(settings) or _of_the_open_wire(settings)


def _of_password(settings: "Settings") -> str | None:
    given = {
        "FRESHET_KAFKA_SASL": settings.kafka_sasl,
        "FRESHET_KAFKA_USER": settings.kafka_user,
        "FRESHET_KAFKA_PASSWORD": settings.kafka_password.get_secret_value(),
    }
    if asks_password(settings.kafka_security):
        missing = [name for name, value in given.items() if not value]
        return f"FRESHET_KAFKA_SECURITY={settings.kafka_security} needs {missing[0]} too. Set it." if missing else None
    return _unused(settings, given, "sasl_ssl or sasl_plaintext")


def _of_certificates(settings: "Settings") -> str | None:
    given = {
        "FRESHET_KAFKA_CA": settings.kafka_ca,
        "FRESHET_KAFKA_CERTIFICATE": settings.kafka_certificate,
        "FRESHET_KAFKA_KEY": settings.kafka_key,
        "FRESHET_KAFKA_KEY_PASSWORD": settings.kafka_key_password.get_secret_value(),
    }
    if not speaks_tls(settings.kafka_security):
        return _unused(settings, given, "ssl or sasl_ssl")
    if bool(settings.kafka_certificate) != bool(settings.kafka_key):
        has, lacks = ("CERTIFICATE", "KEY") if settings.kafka_certificate else ("KEY", "CERTIFICATE")
        return f"FRESHET_KAFKA_{has} needs FRESHET_KAFKA_{lacks} too. Set both, or neither."
    if given["FRESHET_KAFKA_KEY_PASSWORD"] and not settings.kafka_key:
        return "FRESHET_KAFKA_KEY_PASSWORD has no key to open. Set FRESHET_KAFKA_KEY, or leave it out."
    return None


def _of_the_open_wire(settings: "Settings") -> str | None:
    if settings.kafka_security != "sasl_plaintext" or settings.kafka_sasl != "plain":
        return None  # SCRAM proves the password without sending it
    hosts = [address.strip().rpartition(":")[0].strip("[]") for address in settings.bootstrap.split(",")]
    away = [host for host in hosts if not is_loopback(host)]
    if not away:
        return None
    return (
        f"FRESHET_KAFKA_SECURITY=sasl_plaintext with plain would send the password to {away[0]} in the clear. "
        "Use sasl_ssl, or a scram mechanism."
    )


def _unused(settings: "Settings", given: dict[str, str], wanted: str) -> str | None:
    named = [name for name, value in given.items() if value]
    if not named:
        return None
    return (
        f"{named[0]} is given, but FRESHET_KAFKA_SECURITY={settings.kafka_security} makes no use of it. "
        f"Set that to {wanted}, or leave {named[0]} out."
    )
