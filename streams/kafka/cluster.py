"""What a command asks about the cluster itself: at which addresses its brokers are, and what time it has."""

import re
import socket
from collections.abc import Iterable

from confluent_kafka import KafkaError

from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.kafka.client import KafkaException
from streams.kafka.reader import groupless
from streams.kafka.topic_admin import connected

ANSWER_LIMIT_S = 5.0
CONNECT_LIMIT_S = 2.0
DIALLED = re.compile(r"^(?:\w+://)?(\S+):(\d+)/\d+: ")  # how librdkafka names a broker by its advertised address


def advertised(settings: Settings) -> list[tuple[str, int]]:
    """The address of each broker as the cluster gives it to its clients, which then dial that one."""
    errors: list[KafkaError] = []
    with groupless(settings, {"log_level": 0, "error_cb": errors.append}) as consumer:
        try:
            found = consumer.list_topics(None, ANSWER_LIMIT_S).brokers.values()
        except KafkaException as error:
            consumer.consume(1, 0.1)  # which brings the errors
            if dialled := {(m[1], int(m[2])) for one in errors if (m := DIALLED.match(one.str()))}:
                return sorted(dialled)  # none of them answers, or the question would have gone there
            cause = f"Kafka at {settings.bootstrap} did not say where its brokers are: {error.args[0].str()}."
            raise OperatorError(cause, "Check the broker's log.") from None
    return sorted((broker.host, broker.port) for broker in found)


def why_unreachable(host: str, port: int) -> str:
    """Why no connection can be opened from here; empty where one can."""
    try:
        socket.create_connection((host, port), CONNECT_LIMIT_S).close()
    except socket.gaierror:
        return "that name cannot be resolved here"
    except TimeoutError:
        return "nothing answers there"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return ""


def controller_time_ms(settings: Settings) -> int | None:
    """The clock of the cluster's active controller, in Unix ms; None where the cluster does not say it.

    In answer to DescribeQuorum a leader gives its own clock as the time at which it was caught up with itself.
    """
    with connected(settings) as admin:
        found = admin.describe_metadata_quorum()
    partitions: Iterable[dict[str, object]] = (one for topic in found["topics"] for one in topic["partitions"])
    for one in partitions:
        for voter in one.get("current_voters", ()):  # type: ignore[attr-defined]  # kafka-python is not typed
            if voter["replica_id"] == one["leader_id"] and voter["last_caught_up_timestamp"] > 0:
                return int(voter["last_caught_up_timestamp"])
    return None
