"""Fetches the media that an upload names: from listed hosts, at checked addresses, within limits of size and time."""

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urljoin

import httpcore
from httpcore import SOCKET_OPTION, AsyncNetworkBackend, AsyncNetworkStream

from encoders.media.types import MediaError
from schemas.settings.media_hosts import Hosts, Origin, hosts, split
from schemas.settings.model import Settings
from streams.encoding.circuit_breaker import CircuitBreakers
from streams.encoding.daemon_threads import DaemonThreads
from streams.encoding.local_files import UrlForbidden, read_below

MAX_REDIRECTS = 3
LIGHT_BYTES = 8 * 1024 * 1024  # a body up to here is read whatever else is; 16 of them are 128 MiB
FILES = "media_root"  # what the circuit breaker of local files is called
MAX_ADDRESSES = 3  # of a name that are tried, one after the other
REDIRECT_STATUSES = frozenset((301, 302, 303, 307, 308))
TRANSIENT_STATUSES = frozenset((408, 425, 429))  # and everything from 500 on
HEADERS: Mapping[bytes | str, bytes | str] = {"User-Agent": "freshet", "Accept": "*/*", "Accept-Encoding": "identity"}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_SECRET = re.compile(r"//[^/]*@")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL = ipaddress.IPv6Network("2000::/3")

Resolve = Callable[[str, int], Awaitable[list[str]]]
Grow = Callable[[], Awaitable[object]]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Rules:
    """What may be fetched, how much, and how long it may take."""

    hosts: Hosts
    root: Path | None
    bytes: int
    wall_s: float

    @classmethod
    def of(cls, settings: Settings) -> Self:
        root = Path(settings.media_root) if settings.media_root else None
        return cls(hosts(settings.media_hosts), root, settings.media_bytes, settings.media_s)


@lru_cache(maxsize=1)
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()  # 10 ms: reads all the authorities


THREADS = DaemonThreads()  # one bound for the whole process


async def _resolved(host: str, port: int) -> list[str]:
    found = await THREADS.run(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    return [str(at[0]) for *_, at in found]


@dataclass(frozen=True)
class Wire:
    """How the network is reached: name resolution, connections, whose certificates are trusted, which hosts fail."""

    resolve: Resolve = _resolved
    backend: AsyncNetworkBackend = field(default_factory=httpcore.AnyIOBackend)
    trust: Callable[[], ssl.SSLContext] = _trust
    circuits: CircuitBreakers = field(default_factory=CircuitBreakers)


WIRE = Wire()


async def _at_once() -> None:
    """No limit on how many large files are read at a time."""


async def fetch(uri: str, rules: Rules, wire: Wire = WIRE, grow: Grow = _at_once) -> bytes:
    """The bytes behind an address or a path below `media_root`.

    grow  waits until a file beyond LIGHT_BYTES may be taken into memory

    UrlForbidden: the rules do not allow it. MediaError: it is not there, too large or too slow, or its host is left
    alone for now; `passing` says whether a retry may help.
    """
    scheme = found[1].lower() if (found := _SCHEME.match(uri)) else "file"
    if scheme in ("http", "https"):
        return await _fetched(uri, rules, wire, grow)
    if scheme == "file":
        return await _from_file(uri, rules, wire.circuits, grow)
    raise UrlForbidden(f"{scheme}: is not supported; media_uri takes https, and paths below media_root")


async def _from_file(uri: str, rules: Rules, circuits: CircuitBreakers, grow: Grow) -> bytes:
    """A file system may hang too, where it lies on a network."""
    circuits.check(FILES)
    await grow()
    try:
        async with asyncio.timeout(rules.wall_s):
            data = await THREADS.run(lambda: _read_file(uri, rules))
    except TimeoutError:
        circuits.failed(FILES)
        raise _too_slow(uri, rules) from None
    except OSError as error:
        raise MediaError(f"{_short(uri)} cannot be read ({error.strerror}); try again", passing=True) from error
    circuits.answered(FILES)
    return data


def _too_slow(uri: str, rules: Rules) -> MediaError:
    return MediaError(f"{_short(uri)} took longer than {rules.wall_s:g} s; try again", passing=True)


def _read_file(uri: str, rules: Rules) -> bytes:
    if rules.root is None:
        raise UrlForbidden("media_root is not set, so no file is read; set it to the folder of the media")
    if _SCHEME.match(uri):
        name = uri[len("file:") :]
        if name.startswith("//"):
            host, slash, name = name[2:].partition("/")
            if host not in ("", "localhost") or not slash:
                raise UrlForbidden(f"{_short(uri)} names another machine's file; write file:///path below media_root")
        uri = unquote(name)
    return read_below(rules.root, uri, rules.bytes)


async def _fetched(url: str, rules: Rules, wire: Wire, grow: Grow) -> bytes:
    end_s = asyncio.get_running_loop().time() + rules.wall_s  # for all redirects together
    for _ in range(1 + MAX_REDIRECTS):
        read = split(url)
        if read is None:
            raise UrlForbidden(f"{_short(url)} is not a plain https://host/path; no user, no spaces, names in punycode")
        origin, path = read
        if not rules.hosts.allows(origin):
            raise UrlForbidden(f"{origin} is not among media_hosts; add it there if media may be fetched from it")
        wire.circuits.check(str(origin))
        try:
            async with asyncio.timeout_at(end_s) as limit:
                answer = await _request(origin, path, rules, wire, partial(_unhurried, limit, grow))
        except TimeoutError:
            wire.circuits.failed(str(origin))
            raise _too_slow(url, rules) from None
        except MediaError:
            wire.circuits.answered(str(origin))  # a status, or more than is allowed
            raise
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError) as error:
            wire.circuits.failed(str(origin))
            passing = getattr(error, "errno", None) != socket.EAI_NONAME
            why = str(error) or type(error).__name__
            raise MediaError(f"{origin} cannot be reached ({why}); check that it is up", passing=passing) from error
        wire.circuits.answered(str(origin))
        if isinstance(answer, bytes):
            return answer
        url = _redirected(f"{origin}{path}", answer)
    raise MediaError(
        f"{_short(url)} is the address after {MAX_REDIRECTS} redirects, the most allowed; name the last in media_uri"
    )


async def _unhurried(limit: asyncio.Timeout, grow: Grow) -> None:
    """Wait for memory without counting that against the host."""
    loop = asyncio.get_running_loop()
    left_s = (limit.when() or loop.time()) - loop.time()
    limit.reschedule(None)
    await grow()
    limit.reschedule(loop.time() + left_s)


def _redirected(url: str, location: str) -> str:
    try:
        return location if _SCHEME.match(location) else urljoin(url, location)
    except ValueError:  # [ and ] with no address between them
        raise UrlForbidden(f"{_short(url)} redirects to {_short(location)}, which is not an address") from None


async def _request(origin: Origin, path: str, rules: Rules, wire: Wire, grow: Grow) -> bytes | str:
    """The body, or the address that it redirects to."""
    backend = _CheckedBackend(wire, trusted=rules.hosts.trusts(origin))
    url = httpcore.URL(scheme=origin.scheme, host=origin.host, port=origin.port, target=path)
    trust = wire.trust() if origin.scheme == "https" else None
    async with (
        httpcore.AsyncConnectionPool(trust, network_backend=backend) as pool,
        pool.stream("GET", url, headers=HEADERS) as response,
    ):
        headers = {name.lower(): value for name, value in response.headers}
        location = headers.get(b"location")
        if response.status in REDIRECT_STATUSES and location is not None:
            return location.decode("latin-1")
        if response.status != 200:
            passing = response.status in TRANSIENT_STATUSES or response.status >= 500
            raise MediaError(f"{origin} answered {response.status}; correct media_uri", passing=passing)
        return await _body(response, headers.get(b"content-length", b""), origin, rules.bytes, grow)


async def _body(response: httpcore.Response, length: bytes, origin: Origin, most: int, grow: Grow) -> bytes:
    body, is_light = bytearray(), True
    too_large = MediaError(f"{origin} answered with more than {most} bytes; make the file smaller")
    if length.isdigit() and (len(length) > 18 or int(length) > most):
        raise too_large
    async for chunk in response.aiter_stream():
        body += chunk
        if is_light and len(body) > LIGHT_BYTES:
            is_light = False
            await grow()
        if len(body) > most:
            raise too_large
    return bytes(body)


class _CheckedBackend(AsyncNetworkBackend):
    """Resolves a name once, checks every address, and connects to one of them: a second lookup could give another."""

    def __init__(self, wire: Wire, *, trusted: bool) -> None:
        self._wire, self._trusted = wire, trusted

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        addresses = list(dict.fromkeys(await self._wire.resolve(host, port)))
        for address in addresses if not self._trusted else ():
            if not is_public(address):
                raise UrlForbidden(f"{host} has the address {address}, which is not public; nothing is fetched from it")
        fault: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses[:MAX_ADDRESSES]:
            try:
                return await self._wire.backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                fault = error
        raise fault


def is_public(text: str) -> bool:
    """Whether an address is on the public Internet, also by the IPv4 address that it may wrap.

    >>> [is_public(text) for text in ("93.184.215.14", "100.64.0.1", "::ffff:10.0.0.7", "2002:a00:7::")]
    [True, False, False, False]
    """
    try:
        address: Address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        wrapped = address.ipv4_mapped or address.sixtofour or _behind_nat64(address)
        if wrapped is not None:
            return is_public(str(wrapped))
        if address.scope_id or address not in _GLOBAL or address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast


def _behind_nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 else None


def _short(uri: str) -> str:
    """An address for an error message: without password and query, which may hold a signature."""
    bare = _SECRET.sub("//", uri.partition("?")[0])
    return "".join(ch if ch.isprintable() else "?" for ch in bare[:100])
