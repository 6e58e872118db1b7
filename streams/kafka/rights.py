"""Rights that a worker lacks, from its start or later: it says so, waits, and goes on once it has them.

The client reports a refused fetch once and tries again by itself, so the broker is asked whether the right is back.
What is read to its end, as in a recovery, is read again instead. What a group refuses ends in no assignment, which is
a state of its own (worker/assignment.py).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TypeVar

from confluent_kafka import KafkaError, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient  # type: ignore[attr-defined]

from streams.kafka.client import ANSWER_TIMEOUT_S, CLIENT, KafkaException
from streams.kafka.records import Message
from streams.kafka.thinned_log import Thinned
from streams.kafka.waits import Waits

log = logging.getLogger("freshet.rights")
log.addFilter(Thinned())  # a group refuses every two seconds

DENIED = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED)
T = TypeVar("T")
READING = frozenset((AclOperation.READ, AclOperation.ALL))
LOOK_INTERVAL_S = 2.0


class Rights:
    """Which topics a consumer may not read at present."""

    def __init__(self, options: Mapping[str, str], waits: Waits) -> None:
        self._options, self._waits = options, waits
        self._lacking: set[str] = set()

    @property
    def lacking(self) -> bool:
        """Whether there is a topic that may not be read."""
        return bool(self._lacking)

    def without_refusals(self, messages: Sequence[Message]) -> Sequence[Message]:
        """A fetch without what is a refusal of the broker, which is noted."""
        denied = [message for message in messages if _is_denied(message)]
        if not denied:
            return messages
        for message in denied:
            self._note(message.topic(), message.error())
        return [message for message in messages if message not in denied]

    def _note(self, topic: str | None, error: KafkaError | None) -> None:
        why = error.str() if error else ""
        if error is None or error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED or not topic:
            log.error("the broker refuses: %s; give the right back, it is asked for again", why)
        elif topic not in self._lacking:
            log.error("%s may not be read any more: %s; it is read on once the right to is back", topic, why)
            self._lacking.add(topic)
            self._waits.outside(reading(topic), going_on=True)

    async def look(self) -> None:
        """Find out which rights are back."""
        if not self._lacking:
            return
        try:
            back = self._lacking - await asyncio.to_thread(self._still_lacking)
        except KafkaException:
            return  # the broker does not answer; it is asked again
        for topic in sorted(back):
            log.info("%s may be read again", topic)
            self._lacking.discard(topic)
            self._waits.outside(reading(topic), going_on=False)

    def _still_lacking(self) -> set[str]:
        client = AdminClient({**CLIENT, **self._options})  # type: ignore[dict-item]
        asked = client.describe_topics(
            TopicCollection(sorted(self._lacking)),
            include_authorized_operations=True,
            request_timeout=ANSWER_TIMEOUT_S,
        )
        lacking = set()
        for topic, answer in asked.items():
            try:
                operations = answer.result().authorized_operations
            except KafkaException as error:
                if error.args[0].code() not in (*DENIED, KafkaError.UNKNOWN_TOPIC_OR_PART):
                    raise
                operations = ()  # its name may not be known either
            if operations is not None and READING.isdisjoint(operations):
                lacking.add(topic)
        return lacking


class MissingRight(KafkaException):
    """A refusal of the broker, with the right that is missing: the client's error does not name it."""

    def __init__(self, error: KafkaError, right: str) -> None:
        super().__init__(error)
        self.right = right

    def __str__(self) -> str:
        return f"{self.right} is missing: {self.args[0].str()}"


@contextmanager
def needing(right: str, of_group: str = "") -> Iterator[None]:
    """Name the right that is needed where the broker refuses it.

    of_group  the right to a group that is needed as well
    """
    try:
        yield
    except KafkaException as error:
        if isinstance(error, MissingRight) or error.args[0].code() not in DENIED:
            raise
        is_of_group = error.args[0].code() == KafkaError.GROUP_AUTHORIZATION_FAILED
        raise MissingRight(error.args[0], (is_of_group and of_group) or right) from None


async def once_allowed(waits: Waits, work: Callable[[], Awaitable[T]]) -> T:
    """What `work` gives; while a right to it is missing, that is said and waited for, and the work begins again."""
    with ExitStack() as waiting:
        right = ""
        while True:
            try:
                return await work()
            except MissingRight as error:
                if error.right != right:
                    right = error.right
                    log.error("%s; work begins once it is given", error)
                    waiting.close()
                    waiting.enter_context(waits.waiting(right))
                await asyncio.sleep(LOOK_INTERVAL_S)


def reading(topic: str) -> str:
    """How the right to read a topic is named."""
    return f"the right to read {topic}"


def _is_denied(message: Message) -> bool:
    error = message.error()
    return error is not None and error.code() in DENIED
