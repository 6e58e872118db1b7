"""Reading the learned parameters from weights.v1."""

import logging
from collections.abc import Iterable

from ranker.learning.blocks import BlockError
from ranker.learning.publication import Subscription
from streams.kafka.owned_state import text_of
from streams.kafka.records import Record

log = logging.getLogger("freshet.learning")


def take_in(subscription: Subscription, records: Iterable[Record]) -> None:
    """Take in records of weights.v1; damaged ones are logged and left out: only our learner writes there."""
    try:
        subscription.apply((text_of(record.key), record.value) for record in records if record.value)
    except BlockError as error:
        log.error("records of weights.v1 are left out: %s", error)
