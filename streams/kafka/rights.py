"""Rights that are taken away from a running worker: it says so, waits, and goes on once it has them again.

The client reports a refused fetch once and tries again by itself, so the broker is asked whether the right is back.
What a group refuses ends in no assignment, which is a state of its own (worker/assignment.py).
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from confluent_kafka import KafkaError, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient  # type: ignore[attr-defined]

from streams.kafka.client import ANSWER_TIMEOUT_S, CLIENT, KafkaException
from streams.kafka.records import Message
from streams.kafka.thinned_log import Thinned
from streams.kafka.waits import Waits

log = logging.getLogger("freshet.rights")
log.addFilter(Thinned())  # a group refuses every two seconds

DENIED = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED)
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
            self._waits.outside(_named(topic), going_on=True)

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
            self._waits.outside(_named(topic), going_on=False)

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


def _is_denied(message: Message) -> bool:
    error = message.error()
    return error is not None and error.code() in DENIED


def _named(topic: str) -> str:
    return f"the right to read {topic}"
