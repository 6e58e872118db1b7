"""Kafka's clients from the settings: the same protocol, user and certificates for all, and a first knock at the door.

The knock is there because what a wrong password or certificate does to a client is to try again, in silence.
"""

import logging
import socket
import ssl
import time
from collections.abc import Iterable
from typing import Any

from schemas.settings.kafka_security import asks_password, speaks_tls
from schemas.settings.model import Settings
from schemas.topics import FEEDBACK
from streams.errors import OperatorError
from streams.kafka.probe import SAY_EVERY_S, Report, addresses, wait_for_broker

KNOCK_S = 1.0

for wire in ("kafka.protocol", "kafka.net"):  # at DEBUG they log every request byte for byte, passwords too
    logging.getLogger(wire).setLevel(logging.INFO)


class Masked(str):
    """A secret among a client's options: kafka-python logs all of them at DEBUG, by their `repr`."""

    def __repr__(self) -> str:
        return "'**********'"


def librdkafka_options(settings: Settings) -> dict[str, str]:
    """Options that every confluent-kafka client takes alike."""
    options = {
        "bootstrap.servers": settings.bootstrap,
        "security.protocol": settings.kafka_security,
    }
    if asks_password(settings.kafka_security):
        options |= {
            "sasl.mechanism": settings.kafka_sasl.upper(),
            "sasl.username": settings.kafka_user,
            "sasl.password": Masked(settings.kafka_password.get_secret_value()),
        }
    if speaks_tls(settings.kafka_security):
        options["ssl.endpoint.identification.algorithm"] = "https"  # the broker is who its address says
        files = {
            "ssl.ca.location": settings.kafka_ca,
            "ssl.certificate.location": settings.kafka_certificate,
            "ssl.key.location": settings.kafka_key,
            "ssl.key.password": Masked(settings.kafka_key_password.get_secret_value()),
        }
        options |= {name: value for name, value in files.items() if value}
    return options


def kafka_python_options(settings: Settings) -> dict[str, Any]:
    """Options that every kafka-python client takes alike."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap.split(","),
        "security_protocol": settings.kafka_security.upper(),
    }
    if asks_password(settings.kafka_security):
        options |= {
            "sasl_mechanism": settings.kafka_sasl.upper(),
            "sasl_plain_username": settings.kafka_user,
            "sasl_plain_password": Masked(settings.kafka_password.get_secret_value()),
        }
    if speaks_tls(settings.kafka_security):
        options |= {
            "ssl_check_hostname": True,  # the broker is who its address says
            "ssl_cafile": settings.kafka_ca or None,
            "ssl_certfile": settings.kafka_certificate or None,
            "ssl_keyfile": settings.kafka_key or None,
            "ssl_password": Masked(settings.kafka_key_password.get_secret_value()) or None,
        }
    return options


def without_security(settings: Settings) -> Settings:
    """The same settings for the local broker, which speaks plain text on loopback."""
    fields = Settings.model_fields.items()
    return settings.model_copy(update={key: field.default for key, field in fields if key.startswith("kafka_")})


def wait_for_authenticated_broker(settings: Settings, report: Report) -> None:
    """Return when Kafka answers and accepts us; OperatorError at once where it refuses us, or at the time limit."""
    if settings.kafka_security == "plaintext":
        wait_for_broker(settings.bootstrap, settings.broker_wait_s, report)
        return
    start, said, last = time.monotonic(), 0.0, "silence"
    knock = _metadata_probe(settings)
    while faults := knock():
        for fault in faults:
            _raise_if_refused(fault, settings)
            last = _plain(fault.str()) if fault.name() == "_TRANSPORT" else last
        waited = time.monotonic() - start
        if waited >= settings.broker_wait_s:
            cause = f"No Kafka broker let us in at {settings.bootstrap} within {settings.broker_wait_s:g} s: {last}."
            raise OperatorError(cause, "Check --bootstrap and FRESHET_KAFKA_SECURITY: the port has to speak that.")
        if waited >= said:
            report(f"waiting for the broker at {settings.bootstrap} ({waited:.0f} of {settings.broker_wait_s:g} s)")
            said += SAY_EVERY_S


def _metadata_probe(settings: Settings) -> Any:
    """A function that asks for metadata once: it returns librdkafka's complaints, none when there was an answer."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    faults: list[Any] = []
    options: dict[str, Any] = {**librdkafka_options(settings), "error_cb": faults.append, "log_level": 0}
    try:
        client = AdminClient(options)
    except KafkaException as error:
        cause = f"The certificates for Kafka cannot be used: {_plain(error.args[0].str())}."
        raise OperatorError(cause, "Check FRESHET_KAFKA_CA, _CERTIFICATE, _KEY and _KEY_PASSWORD.", 2) from None

    def knock() -> Iterable[Any]:
        faults.clear()
        try:
            client.list_topics(FEEDBACK.full(settings.prefix), timeout=KNOCK_S)
        except KafkaException as error:
            client.poll(0)  # brings what `error_cb` was to be told
            return faults or [error.args[0]]
        return []

    return knock


def _raise_if_refused(fault: Any, settings: Settings) -> None:
    where = f"Kafka at {settings.bootstrap}"
    if fault.name() == "_AUTHENTICATION":
        cause = (
            f"{where} does not accept user {settings.kafka_user!r} with {settings.kafka_sasl}: {_plain(fault.str())}."
        )
        raise OperatorError(cause, "Check FRESHET_KAFKA_USER, _PASSWORD, _SASL and _SECURITY.")
    if fault.name() == "_SSL":
        cause = f"{where} is not trusted: {_why_not_trusted(settings) or _plain(fault.str())}."
        raise OperatorError(
            cause, "Check FRESHET_KAFKA_CA, and that --bootstrap has the name in the broker's certificate."
        )
    if "tls alert" in fault.str():
        cause = f"{where} does not accept our certificate: {_plain(fault.str())}."
        raise OperatorError(cause, "Check FRESHET_KAFKA_CERTIFICATE and FRESHET_KAFKA_KEY.")


def _why_not_trusted(settings: Settings) -> str:
    """What Python's own handshake says: it tells a wrong name from a wrong authority, which librdkafka does not."""
    context = ssl.create_default_context(cafile=settings.kafka_ca or None)
    for host, port in addresses(settings.bootstrap):
        try:
            with (
                socket.create_connection((host, port), KNOCK_S) as plain,
                context.wrap_socket(plain, server_hostname=host),
            ):
                pass
        except ssl.SSLCertVerificationError as error:
            return error.verify_message.rstrip(".")
        except OSError:
            continue
    return ""


def _plain(said: str) -> str:
    """A complaint of librdkafka's without the place before it and the milliseconds behind it."""
    words = said.rsplit(" (after ", 1)[0]
    return words.partition("/bootstrap: ")[2] or words
