"""Small web sites on this machine that note who asks them, and a network in which public addresses lead to them."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import httpcore
from httpcore import AsyncNetworkBackend, AsyncNetworkStream

from streams.encoding.fetch import Wire
from tests.support.certificates import Signed

VIDEO = b"the bytes of a video"
PUBLIC = "93.184.215.14"
HOST = "127.0.0.1"


@dataclass
class Site:
    """A running site: its port, and each request with the name it was for."""

    port: int = 0
    asked: list[str] = field(default_factory=list)  # "GET media.test /v7.mp4"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, target, _ = head[0].split()
            fields = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
            self.asked.append(f"{method} {fields['host']} {target}")
            await _answered(target, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the other side has had enough
        finally:
            writer.close()


async def _answered(target: str, writer: asyncio.StreamWriter) -> None:
    """/to?URL moves, /status/N answers N, /endless, /drip, /silent and /huge misbehave; the rest is a video."""
    path, _, query = target.partition("?")
    match path.strip("/").split("/"):
        case ["to"]:
            writer.write(
                f"HTTP/1.1 302 Found\r\nLocation: {unquote(query)}\r\nContent-Length: 0\r\n\r\n".encode("latin-1")
            )
        case ["status", code]:
            writer.write(f"HTTP/1.1 {code} Said\r\nContent-Length: 0\r\n\r\n".encode())
        case ["huge"]:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n")
        case ["endless"]:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                writer.write(b"1000\r\n" + bytes(4096) + b"\r\n")
                await writer.drain()
        case ["drip"]:
            for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 10_000:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.25)
        case ["silent"]:
            await asyncio.Event().wait()  # for ever
        case ["short"]:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        case ["rubbish"]:
            writer.write(b"\0\1\2 no HTTP at all\r\n\r\n")
        case _:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(VIDEO) + VIDEO)
    await writer.drain()


@asynccontextmanager
async def site(certificate: Signed | None = None) -> AsyncIterator[Site]:
    """Run a site, by TLS where it has a certificate."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
    here = Site()
    server = await asyncio.start_server(here.answer, HOST, 0, ssl=context)
    here.port = server.sockets[0].getsockname()[1]
    try:
        yield here
    finally:
        server.close()


@dataclass
class Net(AsyncNetworkBackend):
    """A made-up Internet: names with their addresses, answer by answer, and ports behind some addresses.

    What is neither there nor loopback cannot be reached; loopback is the real one, so that a mistake arrives.
    """

    names: Mapping[str, Sequence[Sequence[str]]]  # the last answer stays
    routes: Mapping[tuple[str, int], int]
    resolved: list[str] = field(default_factory=list)
    connected: list[tuple[str, int]] = field(default_factory=list)

    async def resolve(self, name: str, port: int) -> list[str]:
        answers = self.names.get(name, [[name if name == HOST else PUBLIC]])
        self.resolved.append(name)
        return list(answers[min(self.resolved.count(name), len(answers)) - 1])

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        self.connected.append((host, port))
        port = self.routes.get((host, port), port if host in (HOST, "::1") else 0)
        if not port:
            raise httpcore.ConnectError(f"{host} is nowhere")
        return await httpcore.AnyIOBackend().connect_tcp(HOST, port, timeout)

    def wire(self, trust: ssl.SSLContext) -> Wire:
        return Wire(self.resolve, self, lambda: trust)
