"""HTTP/1.1 as the stub of a Qdrant server speaks it."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass(frozen=True)
class QueryBatch:
    """One request as it came over the wire."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any  # the JSON; None without a body


async def read_request(reader: asyncio.StreamReader, parse: Callable[[bytes], Any]) -> QueryBatch | None:
    """One HTTP/1.1 request, or None at the end of the connection."""
    line = (await reader.readline()).decode().split()
    if not line:
        return None
    headers = {}
    while header := (await reader.readline()).decode().strip():
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    target = urlsplit(line[1])
    query = dict(parse_qsl(target.query, keep_blank_values=True))
    return QueryBatch(line[0], unquote(target.path), query, headers, parse(body) if body else None)


def response(status: int, headers: Mapping[str, str], result: Any) -> bytes:
    """An HTTP/1.1 response with a JSON body."""
    spoilt = {"status": {"error": f"told to say {status}"}, "time": 0.0}
    body = json.dumps(spoilt if result is None else result)
    all_headers = {"content-type": "application/json", "content-length": str(len(body.encode())), **headers}
    head = "\r\n".join(f"{name}: {value}" for name, value in all_headers.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n\r\n{body}".encode()
