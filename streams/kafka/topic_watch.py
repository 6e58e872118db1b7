"""Which topics these are: their ids (KIP-516) and partition counts, asked from the broker every two seconds.

A topic that was deleted and made again has its old name and another id, and its offsets begin again at 0.
"""

import logging
import threading
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from confluent_kafka import KafkaError, TopicCollection
from confluent_kafka.admin import AdminClient

from schemas.settings.model import Settings
from streams.kafka.client import CLIENT, KafkaException
from streams.kafka.security import librdkafka_options

log = logging.getLogger("freshet.topics")

INTERVAL_S = 2.0  # between two questions
ANSWER_S = 5.0
UNNAMED = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED)


class TopicIdentity(NamedTuple):
    """What tells a topic from another one of its name, and how many partitions it has."""

    id: str
    partitions: int


class TopicWatch:
    """Asks for the identity of some topics, when it is called and in a thread of its own."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self.current: Mapping[str, TopicIdentity] = {}  # as of the last answer; without topics that are not there
        self._options = options
        self._names: list[str] = []
        self._thread: threading.Thread | None = None
        self._client: AdminClient | None = None
        self._stopped = threading.Event()
        self._asking = threading.Lock()
        self.asked_s = 0.0  # when it was answered last, by the monotonic clock

    def follow(self, names: Iterable[str]) -> None:
        """Ask for these topics too."""
        self._names = sorted({*self._names, *names})

    def start(self) -> None:
        """Begin to ask again and again, unless it does already."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="topics", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ask no more."""
        self._stopped.set()

    def ask(self) -> Mapping[str, TopicIdentity]:
        """The topics as they are now; KafkaException where the broker does not answer."""
        with self._asking:  # an older answer must not come after a newer one
            if not self._names:
                return {}
            try:
                return self._ask()
            except KafkaException:
                self._client = None  # one that has lost its only broker asks nobody ever again
                raise

    def _ask(self) -> Mapping[str, TopicIdentity]:
        if self._client is None:  # not by its truth: an AdminClient is false, for its length is 0
            self._client = AdminClient({**CLIENT, **self._options})  # type: ignore[dict-item]
        answers = self._client.describe_topics(TopicCollection(self._names), request_timeout=ANSWER_S)
        found = {}
        for name, answer in answers.items():
            try:
                described = answer.result()
            except KafkaException as error:
                if error.args[0].code() not in UNNAMED:
                    raise
                if error.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED and name in self.current:
                    found[name] = self.current[name]  # as it was when we might ask: it is not gone
            else:
                found[name] = TopicIdentity(str(described.topic_id), len(described.partitions))
        if gone := self.current.keys() - found.keys():
            log.warning("%s: not there any more; it is read from its beginning once it is made again", ", ".join(gone))
        self.current, self.asked_s = found, time.monotonic()
        return found

    def _run(self) -> None:
        while not self._stopped.wait(INTERVAL_S):
            try:
                self.ask()
            except KafkaException as error:
                log.debug("no answer about topics: %s", error.args[0].str())


def topic_id(settings: Settings, name: str) -> str:
    """The id of a topic, asked once; empty where there is none of that name."""
    watch = TopicWatch(librdkafka_options(settings))
    watch.follow([name])
    found = watch.ask().get(name)
    return found.id if found else ""


def made_again(before: Mapping[str, TopicIdentity], now: Mapping[str, TopicIdentity]) -> list[str]:
    """Names of the topics that have another id than before; one that is not there is none.

    >>> made_again({"a": TopicIdentity("1", 4), "b": TopicIdentity("2", 4)}, {"a": TopicIdentity("3", 4)})
    ['a']
    """
    return sorted(name for name, one in now.items() if name in before and before[name].id != one.id)
