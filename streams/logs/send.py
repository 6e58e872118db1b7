"""A recorded log published to the topics, at the pace of its own times or as fast as the broker confirms it.

By kafka-python, as most who publish to Freshet do it: what this command sends, any client can send.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator

from kafka import KafkaProducer
from kafka.errors import KafkaError

from schemas.settings.model import Settings
from schemas.topics import ERASURES, FEEDBACK, MAX_RECORD_BYTES, TOPICS, UPLOADS
from streams.dead_letters.validation import ORIGIN_MS
from streams.errors import OperatorError, missing_topic
from streams.kafka import topic_admin
from streams.kafka.security import kafka_python_options
from streams.logs.jsonl import Line

MAX_IN_FLIGHT = 5000  # lines; a guess: enough to keep the producer's batches full
LINGER_MS = 5
DELIVERY_TIMEOUT_S = 130.0  # the producer itself gives up after 120 s


def send(lines: Iterable[Line], settings: Settings) -> Counter[str]:
    """Send each line under its key; returns how many were confirmed by topic.

    Raises OperatorError at the first line that the broker refuses.
    """
    _refuse_missing_topics(settings)
    producer = KafkaProducer(
        **kafka_python_options(settings),
        linger_ms=LINGER_MS,
        max_request_size=MAX_RECORD_BYTES,
        allow_auto_create_topics=False,
    )
    sent: Counter[str] = Counter()
    in_flight: deque[tuple[Line, Callable[[float], object]]] = deque()

    def confirm_oldest() -> None:
        line, wait_for_report = in_flight.popleft()
        try:
            wait_for_report(DELIVERY_TIMEOUT_S)
        except KafkaError as error:
            cause = f"Line {line.number} was not confirmed: {error}."
            raise OperatorError(cause, "The lines before it were confirmed; send the rest.") from error
        sent[line.topic.full(settings.prefix)] += 1

    try:
        for line in lines:
            name = line.topic.full(settings.prefix)
            headers = [one for one in line.headers if one[0] != ORIGIN_MS]  # another broker's time says nothing here
            in_flight.append((line, producer.send(name, line.value, key=line.key, headers=headers).get))
            if len(in_flight) > MAX_IN_FLIGHT:
                confirm_oldest()
        producer.flush()
        while in_flight:
            confirm_oldest()
    finally:
        producer.close(timeout=5)
    return sent


def paced(
    lines: Iterable[Line],
    speed: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Line]:
    """Delay each line until its time has come: `speed` seconds of the log pass in one second."""
    start, first_ms = clock(), None
    for line in lines:
        first_ms = line.at_ms if first_ms is None else first_ms
        early_s = (line.at_ms - first_ms) / 1000 / speed - (clock() - start)
        if early_s > 0:
            sleep(early_s)
        yield line


def _refuse_missing_topics(settings: Settings) -> None:
    needed = {topic.full(settings.prefix) for topic in (FEEDBACK, UPLOADS, ERASURES)}
    missing = [d.topic for d in topic_admin.plan(settings, TOPICS) if d.action == "create" and d.topic in needed]
    if missing:
        raise missing_topic(missing[0])
