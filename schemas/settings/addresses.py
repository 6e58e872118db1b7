"""Names and addresses as settings give them."""

import ipaddress
import re
from urllib.parse import urlsplit

HOST = re.compile(  # a name's parts have 63 characters at most; Python's resolver raises for others
    r"\[[0-9A-Fa-f:.]{2,45}\]|(?=[^:]{1,253}$)[A-Za-z0-9_][A-Za-z0-9_-]{0,62}(?:\.[A-Za-z0-9_-]{1,63})*\.?"
)


def is_host(value: str) -> bool:
    """Whether it names a host or an address, without scheme and port.

    >>> [is_host(value) for value in ("a.example", "::1", "[::1]", "", "a.example:80")]
    [True, True, True, False, False]
    """
    if HOST.fullmatch(value):
        return True
    try:
        return bool(ipaddress.ip_address(value))
    except ValueError:
        return False


def is_of_a_redis(value: str) -> bool:
    """Whether it is an address of a Redis.

    >>> [is_of_a_redis(value) for value in ("redis://store:6379/0", "store:6379", "redis://store:99999")]
    [True, False, False]
    """
    try:
        parts = urlsplit(value)
        return parts.scheme in ("redis", "rediss") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        return False
