"""What every agent measures of the batches that it is handed."""

import time
from itertools import chain

import numpy as np

from streams.kafka.poll import Poll
from streams.metrics.measures import Measures


def observe_poll(measures: Measures, agent: str, poll: Poll) -> None:
    """Count the records of a poll by topic, and note how old they are."""
    now_ms = 1000 * time.time()
    measures.observe("freshet_batch_records", [len(poll)], agent=agent)
    for topic in sorted(poll.topics):
        records = chain.from_iterable(found for tp, found in poll.items() if tp.topic == topic)
        stamped_ms = np.fromiter((record.timestamp for record in records), np.float64)
        ages_s = np.maximum(now_ms - stamped_ms, 0.0) / 1000
        measures.count("freshet_records_read_total", len(ages_s), agent=agent, topic=topic)
        measures.observe("freshet_record_age_seconds", ages_s, agent=agent, topic=topic)
