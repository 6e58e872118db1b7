"""Is a broker there, and does it accept us? Asked before anything else, and until it answers or the time is over.

In plain text one Metadata request over a socket is enough, so that waiting imports nothing heavy. Behind passwords and
certificates librdkafka asks, and its complaints are looked at: left alone, a client that is refused tries again in
silence.
"""

import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.kafka.security import librdkafka_options

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

Report = Callable[[str], None]

# Metadata, version 5: header (api 3, version 5, correlation 1, client id), no topics, no automatic creation.
_CLIENT = b"freshet"
_BODY = struct.pack(f">hhih{len(_CLIENT)}sib", 3, 5, 1, len(_CLIENT), _CLIENT, 0, 0)
_REQUEST = struct.pack(">i", len(_BODY)) + _BODY
RETRY_DELAY_S = 0.1
PROBE_TIMEOUT_S = 1.0  # of one question by librdkafka, and of a handshake
FIRST_REPORT_S = 1.5  # a broker that answers sooner needs no word
PROGRESS_INTERVAL_S = 5.0


def addresses(bootstrap: str) -> Iterator[tuple[str, int]]:
    """Split `host:port,host:port`.

    >>> list(addresses("127.0.0.1:9092, [::1]:9093"))
    [('127.0.0.1', 9092), ('::1', 9093)]
    """
    for address in bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        yield host.strip("[]"), int(port)


def is_broker_ready(host: str, port: int, limit_s: float = 2.0) -> bool:
    """Whether a broker answers there in plain text and knows at least one broker that is ready for work."""
    return not why_not_ready(host, port, limit_s)


def why_not_ready(host: str, port: int, limit_s: float = 2.0) -> str:
    """What is amiss there, as the end of a sentence; empty where a broker is ready for work."""
    try:
        with socket.create_connection((host, port), timeout=limit_s) as connection:
            connection.sendall(_REQUEST)
            # int32 each: size, correlation, throttle time, number of brokers
            head = connection.recv(16, socket.MSG_WAITALL)
    except socket.gaierror:
        return f"the name {host} cannot be resolved"
    except TimeoutError:
        return f"{host} does not answer"
    except OSError as error:
        return f"{host}:{port}: {(error.strerror or str(error)).lower()}"
    if len(head) < 16 or struct.unpack(">ii", head[:8])[1] != 1:
        return f"what answers at {host}:{port} does not speak Kafka's protocol in plain text"
    return "" if struct.unpack(">i", head[12:])[0] > 0 else f"the broker at {host}:{port} is not ready yet"


def wait_for_authenticated_broker(settings: Settings, report: Report) -> None:
    """Return when Kafka answers and accepts us; OperatorError at once where it refuses us, or at the time limit."""
    probe: PlaintextProbe | SecuredProbe
    probe = PlaintextProbe(settings) if settings.kafka_security == "plaintext" else SecuredProbe(settings)
    start, reported_s, limit_s = time.monotonic(), FIRST_REPORT_S, settings.broker_wait_s
    while not probe.is_accepted():
        waited_s = time.monotonic() - start
        if waited_s >= limit_s:
            raise probe.timed_out(limit_s)
        if waited_s >= reported_s:
            where = f"waiting for the broker at {settings.bootstrap} ({waited_s:.0f} of {limit_s:g} s)"
            report(f"{where}: {probe.why_not}")
            reported_s = waited_s + PROGRESS_INTERVAL_S
        time.sleep(RETRY_DELAY_S)


class PlaintextProbe:
    """Asks each address over a bare socket."""

    def __init__(self, settings: Settings) -> None:
        self._bootstrap = settings.bootstrap
        self.why_not = "no answer"

    def is_accepted(self) -> bool:
        """Whether a broker answered."""
        for host, port in addresses(self._bootstrap):
            self.why_not = why_not_ready(host, port)
            if not self.why_not:
                return True
        return False

    def timed_out(self, limit_s: float) -> OperatorError:
        """The error when none did."""
        return OperatorError(
            f"No Kafka broker answered at {self._bootstrap} within {limit_s:g} s: {self.why_not}.",
            "Start one with `freshet broker`, or name yours with --bootstrap host:port.",
        )


class SecuredProbe:
    """Asks for the cluster's metadata with the credentials that all other clients use."""

    def __init__(self, settings: Settings) -> None:
        from confluent_kafka import KafkaException  # heavy: only for brokers behind passwords or certificates
        from confluent_kafka.admin import AdminClient

        self._settings = settings
        self._errors: list[KafkaError] = []
        self.why_not = "no answer"
        self._client_exception = KafkaException
        try:
            self._client = AdminClient(
                {**librdkafka_options(settings), "error_cb": self._errors.append, "log_level": 0}  # type: ignore[dict-item]
            )
        except KafkaException as error:
            cause = f"The certificates for Kafka cannot be used: {_plain(error.args[0].str())}."
            raise OperatorError(cause, "Check FRESHET_KAFKA_CA, _CERTIFICATE, _KEY and _KEY_PASSWORD.", 2) from None

    def is_accepted(self) -> bool:
        """Whether Kafka answered; raises OperatorError where it refuses the credentials."""
        self._errors.clear()
        try:
            self._client.describe_cluster(request_timeout=PROBE_TIMEOUT_S).result()
        except self._client_exception as error:
            self._client.poll(0)  # hands the complaints to `error_cb`
            for complaint in self._errors or [error.args[0]]:
                _raise_if_refused(complaint, self._settings)
                if complaint.name() == "_TRANSPORT":
                    self.why_not = _plain(complaint.str())
            return False
        return True

    def timed_out(self, limit_s: float) -> OperatorError:
        """The error when Kafka neither accepted nor refused the connection."""
        where = f"Kafka at {self._settings.bootstrap}"
        return OperatorError(
            f"{where} did not accept the connection within {limit_s:g} s: {self.why_not}.",
            "Check --bootstrap and FRESHET_KAFKA_SECURITY: the port has to speak that protocol.",
        )


def _raise_if_refused(complaint: "KafkaError", settings: Settings) -> None:
    where = f"Kafka at {settings.bootstrap}"
    if complaint.name() == "_AUTHENTICATION":
        user = f"user {settings.kafka_user!r} with {settings.kafka_sasl}"
        cause = f"{where} does not accept {user}: {_plain(complaint.str())}."
        raise OperatorError(cause, "Check FRESHET_KAFKA_USER, _PASSWORD, _SASL and _SECURITY.")
    if complaint.name() == "_SSL":
        cause = f"{where} is not trusted: {_why_not_trusted(settings) or _plain(complaint.str())}."
        raise OperatorError(
            cause, "Check FRESHET_KAFKA_CA, and that --bootstrap has the name in the broker's certificate."
        )
    if "tls alert" in complaint.str():
        cause = f"{where} does not accept our certificate: {_plain(complaint.str())}."
        raise OperatorError(cause, "Check FRESHET_KAFKA_CERTIFICATE and FRESHET_KAFKA_KEY.")


def _why_not_trusted(settings: Settings) -> str:
    """The reason by Python's own handshake, which distinguishes a wrong name from a wrong authority."""
    context = ssl.create_default_context(cafile=settings.kafka_ca or None)
    for host, port in addresses(settings.bootstrap):
        try:
            with (
                socket.create_connection((host, port), PROBE_TIMEOUT_S) as plain,
                context.wrap_socket(plain, server_hostname=host),
            ):
                pass
        except ssl.SSLCertVerificationError as error:
            return error.verify_message.rstrip(".")
        except OSError:
            continue
    return ""


def _plain(text: str) -> str:
    """A complaint of librdkafka's without the place before it and the milliseconds after it."""
    words = text.rsplit(" (after ", 1)[0]
    return words.partition("/bootstrap: ")[2] or words
