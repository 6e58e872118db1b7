"""How Qdrant is called: which servers may get the key, and how long a call is retried."""

import logging
import math
import ssl
from asyncio import get_running_loop, sleep, timeout_at
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import SystemRandom
from typing import TypeVar
from urllib.parse import urlsplit

import httpx
from qdrant_client import AsyncQdrantClient
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from ranker.retrieval.index import IndexRefused, IndexUnavailable
from schemas.settings import qdrant_address
from schemas.settings.kafka_security import is_loopback
from schemas.settings.model import Settings
from streams.errors import OperatorError

T = TypeVar("T")
KEYS = "FRESHET_QDRANT_API_KEY or, for what only reads, in FRESHET_QDRANT_READ_KEY"
FIRST_RETRY_DELAY_S, MAX_RETRY_DELAY_S = 0.05, 2.0
CONTENT = (400, 404, 413, 422)  # these refuse what a request holds or names, not who asks


class ContentRefused(IndexRefused):
    """A server that does not take what a request holds: without some of it, it may."""


@dataclass(frozen=True)
class Patience:
    """How long one attempt and all attempts together may take, in seconds."""

    attempt_s: float
    deadline_s: float


READING = Patience(1.0, 2.0)  # guesses: a slate without this index is better than a late one
WRITING = Patience(10.0, 30.0)  # guesses: an upload may wait


def writing_of(settings: Settings) -> Patience:
    """What is set for who writes: three attempts within the deadline."""
    return Patience(settings.qdrant_timeout_s / 3, settings.qdrant_timeout_s)


def client_of(settings: Settings, *, only_reads: bool = False) -> AsyncQdrantClient:
    """A client for the server that is set; ValueError where none is."""
    if not settings.qdrant_url:
        raise ValueError("qdrant_url is empty, which means the embedded index; set it to use a Qdrant server")
    keys = settings.qdrant_api_key.get_secret_value(), settings.qdrant_read_key.get_secret_value()
    key = (keys[1] if only_reads else "") or keys[0]
    return connect(settings.qdrant_url, key, settings.qdrant_timeout_s, settings.qdrant_ca)


def connect(
    url: str, api_key: str = "", deadline_s: float = WRITING.deadline_s, authority: str = ""
) -> AsyncQdrantClient:
    """A client for the server at `url`; ValueError where it is no address or would show the key to others."""
    if fault := qdrant_address.address_fault(url):
        raise ValueError(f"FRESHET_QDRANT_URL {fault}")
    if fault := qdrant_address.key_fault(url, api_key):
        raise ValueError(fault)
    parts = urlsplit(url)
    host = parts.hostname or ""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it has a line for each request
    return AsyncQdrantClient(
        # The parts, not the URL: a second parser might read another host out of it than was checked.
        host=f"[{host}]" if ":" in host else host,
        port=parts.port or 6333,
        https=parts.scheme == "https",
        prefix=parts.path.rstrip("/") or None,
        headers={"api-key": api_key} if api_key else None,
        timeout=math.ceil(deadline_s),
        check_compatibility=False,  # `start` does it, and can refuse the server
        limits=httpx.Limits(max_connections=32, max_keepalive_connections=32),
        trust_env=not is_loopback(host),  # no proxy on the way to our own machine
        verify=_trust(authority) if authority else True,
    )


def _trust(authority: str) -> ssl.SSLContext:
    """Certificates of this authority alone are taken."""
    try:
        return ssl.create_default_context(cafile=authority)
    except (OSError, ssl.SSLError) as error:
        raise OperatorError(
            f"FRESHET_QDRANT_CA: {authority} holds no certificate that can be read ({error}).", "Name a PEM file."
        ) from None


def wait_before_retry(fault: Exception) -> float | None:
    """Seconds that a fault asks us to wait before a retry; None where a retry is useless."""
    match fault:
        case ResourceExhaustedResponse():
            return max(0.0, float(fault.retry_after_s))
        case UnexpectedResponse():
            transient = fault.status_code in (408, 429) or (fault.status_code or 0) >= 500
            return 0.0 if transient else None
        case ResponseHandlingException():
            passes = isinstance(fault.source, httpx.TransportError) and not _is_distrust(fault)
            return 0.0 if passes else None
        case _:
            return 0.0  # silence, or a Retry-After that the client cannot read


def _is_distrust(fault: ResponseHandlingException) -> bool:
    return "CERTIFICATE_VERIFY_FAILED" in str(fault.source)  # httpx keeps nothing of it but the text


def why(fault: Exception) -> str:
    """A fault in a few words, on one line."""
    match fault:
        case ResourceExhaustedResponse():
            return f"HTTP 429, retry after {fault.retry_after_s} s"
        case UnexpectedResponse():
            answer = fault.content[:200].decode("utf-8", "replace").replace("\n", " ")
            return f"HTTP {fault.status_code}: {answer}"
        case ResponseHandlingException():
            return f"{type(fault.source).__name__}: {fault.source}".replace("\n", " ")[:200]
        case TimeoutError():
            return "no answer"
        case _:
            return str(fault)


def refusal(what: str, fault: Exception) -> str:
    """What to say of a server that will not do something."""
    match fault:
        case UnexpectedResponse(status_code=401):
            return f"Qdrant does not accept the key in {KEYS} (HTTP 401)"
        case UnexpectedResponse(status_code=403):
            return f"Qdrant does not allow the key in {KEYS} to {what} (HTTP 403)"
        case ResponseHandlingException() if _is_distrust(fault):
            return f"Qdrant's certificate is not trusted, see FRESHET_QDRANT_CA: {why(fault)}"
        case _:
            return f"Qdrant refused to {what}: {why(fault)}"


def _refused(what: str, fault: Exception) -> IndexRefused:
    is_content = isinstance(fault, UnexpectedResponse) and fault.status_code in CONTENT
    return (ContentRefused if is_content else IndexRefused)(refusal(what, fault))


async def with_retries(what: str, call: Callable[[], Awaitable[T]], patience: Patience) -> T:
    """Make a repeatable call until it succeeds, is refused, or the deadline has come."""
    clock = get_running_loop().time
    ends, attempts, delay = clock() + patience.deadline_s, 0, FIRST_RETRY_DELAY_S
    while True:
        attempts += 1
        try:
            async with timeout_at(min(clock() + patience.attempt_s, ends)):
                return await call()
        except (TimeoutError, ApiException, QdrantException) as fault:
            asked = wait_before_retry(fault)
            if asked is None:
                raise _refused(what, fault) from fault
            wait = max(asked, SystemRandom().uniform(delay / 2, delay))
            if clock() + wait >= ends:
                raise IndexUnavailable(
                    f"Qdrant did not {what} within {patience.deadline_s:g} s ({attempts} attempts, the last:"
                    f" {why(fault)}); check that it runs and can be reached"
                ) from fault
        await sleep(wait)
        delay = min(delay * 2, MAX_RETRY_DELAY_S)
