"""What every agent measures of the batches that it is handed."""

import time
from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from streams.kafka.poll import Poll
from streams.metrics.measures import FEW, Measures


def observe_poll(measures: Measures, agent: str, poll: Poll) -> None:
    """Count the records of a poll by topic, and note how old they are."""
    now_ms = 1000 * time.time()
    measures.observe("freshet_batch_records", [len(poll)], agent=agent)
    for topic, partitions in groupby(poll.items(), lambda one: one[0].topic):
        ages_s = _ages_s([one.timestamp for _, records in partitions for one in records], now_ms)
        measures.count("freshet_records_read_total", len(ages_s), agent=agent, topic=topic)
        measures.observe("freshet_record_age_seconds", ages_s, agent=agent, topic=topic)


def _ages_s(stamped_ms: Sequence[int], now_ms: float) -> Sequence[float] | NDArray[np.float64]:
    if len(stamped_ms) <= FEW:
        return [max(now_ms - at_ms, 0.0) / 1000 for at_ms in stamped_ms]
    ages: NDArray[np.float64] = np.maximum(now_ms - np.array(stamped_ms, np.float64), 0.0) / 1000
    return ages
