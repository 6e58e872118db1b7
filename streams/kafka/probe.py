"""Is a broker there? Asked with one Metadata request over a socket: waiting imports nothing heavy."""

import socket
import struct
import time
from collections.abc import Callable, Iterator

from streams.errors import OperatorError

Report = Callable[[str], None]

# Metadata, version 5: header (api 3, version 5, correlation 1, client id), no topics, no automatic creation.
_CLIENT = b"freshet"
_BODY = struct.pack(f">hhih{len(_CLIENT)}sib", 3, 5, 1, len(_CLIENT), _CLIENT, 0, 0)
_REQUEST = struct.pack(">i", len(_BODY)) + _BODY
PAUSE_S = 0.1
SAY_EVERY_S = 5.0


def addresses(bootstrap: str) -> Iterator[tuple[str, int]]:
    """Split `host:port,host:port`.

    >>> list(addresses("127.0.0.1:9092, [::1]:9093"))
    [('127.0.0.1', 9092), ('::1', 9093)]
    """
    for address in bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        yield host.strip("[]"), int(port)


def answers(host: str, port: int, limit_s: float = 2.0) -> bool:
    """Whether a broker answers there and knows at least one broker that is ready for work."""
    try:
        with socket.create_connection((host, port), timeout=limit_s) as connection:
            connection.sendall(_REQUEST)
            # int32 each: size, correlation, throttle time, number of brokers
            head = connection.recv(16, socket.MSG_WAITALL)
            return len(head) == 16 and struct.unpack(">iiii", head)[3] > 0
    except OSError:
        return False


def wait_for_broker(bootstrap: str, limit_s: float, report: Report) -> None:
    """Return when one of the addresses answers; say what is waited for, and raise OperatorError after the limit."""
    start, said = time.monotonic(), 0.0
    while not any(answers(host, port) for host, port in addresses(bootstrap)):
        waited = time.monotonic() - start
        if waited >= limit_s:
            raise OperatorError(
                f"No Kafka broker answered at {bootstrap} within {limit_s:g} s.",
                "Start one with `freshet broker`, or name yours with --bootstrap host:port.",
            )
        if waited >= said:
            report(f"waiting for the broker at {bootstrap} ({waited:.0f} of {limit_s:g} s)")
            said += SAY_EVERY_S
        time.sleep(PAUSE_S)
