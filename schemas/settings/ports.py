"""Ports as a setting has them: none, one, or a range of which the first free one is taken."""

import re

Ports = range
_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?", re.ASCII)
MAX_PORT = 65535


def http_url(host: str, port: int) -> str:
    """The address of a server.

    >>> http_url("127.0.0.1", 80), http_url("::1", 80)
    ('http://127.0.0.1:80', 'http://[::1]:80')
    """
    return f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{port}"


def ports(text: str) -> Ports:
    """The ports that a setting names; ValueError where it names none that there are.

    >>> ports(""), ports("0"), ports("9464"), ports("9464-9466")
    (range(0, 0), range(0, 0), range(9464, 9465), range(9464, 9467))
    """
    if text in ("", "0"):
        return range(0)
    found = _PORTS.fullmatch(text)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 0 < first <= last <= MAX_PORT:
        raise ValueError(f"it should be a port such as 9464, a range such as 9464-9563, or empty, not {text!r}")
    return range(first, last + 1)
