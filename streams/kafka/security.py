"""Options of the Kafka clients from the settings: the same protocol, user and certificates for all of them."""

import logging
from typing import Any

from schemas.settings.kafka_security import asks_password, speaks_tls
from schemas.settings.model import Settings

WIRE_LOGGERS = ("kafka.protocol", "kafka.net")  # at DEBUG they log every request byte for byte, passwords too
for wire in WIRE_LOGGERS:
    logging.getLogger(wire).setLevel(logging.INFO)


class Masked(str):
    """A secret among a client's options: kafka-python logs all of them at DEBUG, by their `repr`."""

    def __repr__(self) -> str:
        return "'**********'"


def librdkafka_options(settings: Settings) -> dict[str, str]:
    """Options that every confluent-kafka client takes."""
    options = {
        "bootstrap.servers": settings.bootstrap,
        "security.protocol": settings.kafka_security,
        "enable.metrics.push": "false",  # KIP-714: a broker may ask its clients for their metrics
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
    """Options that every kafka-python client takes; Any, for that library is not typed."""
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
