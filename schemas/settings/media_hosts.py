"""Which hosts media may be fetched from: reading an address in one way only, and the list that it has to be on."""

import ipaddress
import re
from collections.abc import Iterable
from typing import NamedTuple

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,253}}$)(?:{_LABEL}\.)*(?!\d){_LABEL}")  # a last label of digits would be an IPv4 address
_ORIGIN = r"(?i:(https?)://(\[[0-9a-f:.]{2,45}\]|[a-z0-9.-]{1,253})(?::([0-9]{1,5}))?)"
_ONE = re.compile(_ORIGIN + "/?")
_ADDRESS = re.compile(_ORIGIN + r"(/[!-~]*|\?[!-~]*)?")
PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Where a file is fetched from: scheme, host in lower case (IPv6 without brackets), port."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == PORTS[self.scheme] else f":{self.port}")


class Hosts(NamedTuple):
    """A parsed list of hosts.

    origins   whole ones, which may be plain http, have any port and lie in a private network
    names     asked by https on port 443, at public addresses alone
    suffixes  the same for every name that ends in one of these, dot included
    """

    origins: frozenset[Origin]
    names: frozenset[str]
    suffixes: tuple[str, ...]

    def allows(self, origin: Origin) -> bool:
        """Whether an origin is on the list."""
        named = origin.host in self.names or origin.host.endswith(self.suffixes)
        return self.trusts(origin) or (named and (origin.scheme, origin.port) == ("https", 443))

    def trusts(self, origin: Origin) -> bool:
        """Whether it may also lie in a private network."""
        return origin in self.origins


def hosts(text: str) -> Hosts:
    """Read names, `*.suffix` and `scheme://host:port`, separated by commas; a ValueError names a malformed entry.

    >>> listed = hosts("media.example, *.cdn.example, http://store:9000")
    >>> [listed.allows(split(url)[0]) for url in ("https://a.cdn.example/v", "http://store:9000/v", "http://media.example/")]
    [True, True, False]
    """
    entries = [entry for part in text.split(",") if (entry := part.strip().lower())]
    return Hosts(
        origins=frozenset(_origin(entry) for entry in entries if "://" in entry),
        names=frozenset(_named(entry) for entry in entries if "://" not in entry and not entry.startswith("*.")),
        suffixes=tuple(_suffixes(entries)),
    )


def _suffixes(entries: Iterable[str]) -> list[str]:
    return ["." + _named(entry[2:]) for entry in entries if entry.startswith("*.")]


def _named(entry: str) -> str:
    if not _NAME.fullmatch(entry):
        raise ValueError(f"{entry!r} is no host name; write media.example, *.media.example or http://10.0.0.7:9000")
    return entry


def _origin(entry: str) -> Origin:
    match = _ONE.fullmatch(entry)
    if match is None or (origin := _made(match)) is None:
        raise ValueError(f"{entry!r} is not of the form https://host or http://host:port")
    return origin


def split(url: str) -> tuple[Origin, str] | None:
    """Origin and path with query of an http or https address; None for one that could be read in two ways.

    >>> split("https://Media.example/v7.mp4?s=1#t=3")
    (Origin(scheme='https', host='media.example', port=443), '/v7.mp4?s=1')
    >>> split("https://ana@media.example/v7.mp4") is None
    True
    """
    match = _ADDRESS.fullmatch(url.partition("#")[0])
    if match is None or (origin := _made(match)) is None:
        return None
    path = match[4] or "/"
    return origin, path if path.startswith("/") else "/" + path


def _made(match: re.Match[str]) -> Origin | None:
    scheme, host = match[1].lower(), match[2].lower()
    port = int(match[3] or PORTS[scheme])
    if not _NAME.fullmatch(host):
        try:
            host = str(ipaddress.ip_address(host.strip("[]")))  # 127.1, 0x7f.1 and 2130706433 are refused
        except ValueError:
            return None
        if (":" in host) != match[2].startswith("["):
            return None
    return Origin(scheme, host, port) if 0 < port < 65_536 else None
