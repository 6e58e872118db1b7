"""Reading the learned parameters from weights.v1."""

import logging
from collections.abc import Iterable, Iterator

from ranker.learning.blocks import BlockError
from ranker.learning.publication import Record as Published
from ranker.learning.publication import Subscription
from streams.kafka.owned_state import text_of
from streams.kafka.records import Record

log = logging.getLogger("freshet.learning")

WRITER = "freshet-writer"  # header of blocks and manifests: the worker that wrote them
TAKEOVER = "writer"  # key of the record by which a worker takes over; its value is that worker


class PublishedParameters:
    """Brings parameters up to date by weights.v1, where what the worker wrote counts that took over last.

    One that was frozen while another one took over may write late, and its blocks do not go with those of the other.

    writer   the worker that counts; None before the first takeover that compaction left: all count
    covered  keys whose last record does not count
    """

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.covered: set[str] = set()
        self.writer: bytes | None = None

    def apply(self, records: Iterable[Record]) -> None:
        """Take in records in their order; damaged ones are logged and left out: only our learner writes there."""
        try:
            self.subscription.apply(self._counting(records))
        except BlockError as error:
            log.error("records of weights.v1 are left out: %s", error)

    def _counting(self, records: Iterable[Record]) -> Iterator[Published]:
        for record in records:
            key = text_of(record.key)
            if not record.value:
                continue
            if key == TAKEOVER:
                self.writer = record.value
            elif self.writer is None or dict(record.headers).get(WRITER) == self.writer:
                self.covered.discard(key)
                yield key, record.value
            else:
                self.covered.add(key)
