"""How to connect to Kafka: which settings belong together, and what is wrong where they contradict each other."""

import ipaddress
from typing import Protocol

from pydantic import SecretStr


class Access(Protocol):
    """The settings of the connection to Kafka."""

    @property
    def bootstrap(self) -> str: ...
    @property
    def kafka_security(self) -> str: ...
    @property
    def kafka_sasl(self) -> str: ...
    @property
    def kafka_user(self) -> str: ...
    @property
    def kafka_password(self) -> SecretStr: ...
    @property
    def kafka_ca(self) -> str: ...
    @property
    def kafka_certificate(self) -> str: ...
    @property
    def kafka_key(self) -> str: ...
    @property
    def kafka_key_password(self) -> SecretStr: ...


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


def fault(access: Access) -> str | None:
    """Name the first contradiction with what to do, or None; never shows a secret."""
    return _of_password(access) or _of_certificates(access) or _of_the_open_wire(access)


def _of_password(access: Access) -> str | None:
    given = {
        "FRESHET_KAFKA_SASL": access.kafka_sasl,
        "FRESHET_KAFKA_USER": access.kafka_user,
        "FRESHET_KAFKA_PASSWORD": access.kafka_password.get_secret_value(),
    }
    if asks_password(access.kafka_security):
        missing = [name for name, value in given.items() if not value]
        return f"FRESHET_KAFKA_SECURITY={access.kafka_security} needs {missing[0]} too. Set it." if missing else None
    return _unused(access, given, "sasl_ssl or sasl_plaintext")


def _of_certificates(access: Access) -> str | None:
    given = {
        "FRESHET_KAFKA_CA": access.kafka_ca,
        "FRESHET_KAFKA_CERTIFICATE": access.kafka_certificate,
        "FRESHET_KAFKA_KEY": access.kafka_key,
        "FRESHET_KAFKA_KEY_PASSWORD": access.kafka_key_password.get_secret_value(),
    }
    if not speaks_tls(access.kafka_security):
        return _unused(access, given, "ssl or sasl_ssl")
    if bool(access.kafka_certificate) != bool(access.kafka_key):
        has, lacks = ("CERTIFICATE", "KEY") if access.kafka_certificate else ("KEY", "CERTIFICATE")
        return f"FRESHET_KAFKA_{has} needs FRESHET_KAFKA_{lacks} too. Set both, or neither."
    if given["FRESHET_KAFKA_KEY_PASSWORD"] and not access.kafka_key:
        return "FRESHET_KAFKA_KEY_PASSWORD has no key to open. Set FRESHET_KAFKA_KEY, or leave it out."
    return None


def _of_the_open_wire(access: Access) -> str | None:
    if access.kafka_security != "sasl_plaintext" or access.kafka_sasl != "plain":
        return None  # SCRAM proves the password without sending it
    hosts = [address.strip().rpartition(":")[0].strip("[]") for address in access.bootstrap.split(",")]
    away = [host for host in hosts if not is_loopback(host)]
    if not away:
        return None
    return (
        f"FRESHET_KAFKA_SECURITY=sasl_plaintext with plain would send the password to {away[0]} in the clear. "
        "Use sasl_ssl, or a scram mechanism."
    )


def _unused(access: Access, given: dict[str, str], wanted: str) -> str | None:
    named = [name for name, value in given.items() if value]
    if not named:
        return None
    return (
        f"{named[0]} is given, but FRESHET_KAFKA_SECURITY={access.kafka_security} makes no use of it. "
        f"Set that to {wanted}, or leave {named[0]} out."
    )
