"""scale: what a person costs a worker, and how long a worker that starts reads until it is ready.

The changelog holds one profile a person, as large as those of the recorded log; a process of its own reads it back.
"""

from collections.abc import Iterator, Sequence
from itertools import cycle, islice

from kafka.admin import KafkaAdminClient

from schemas.messages import feedback
from schemas.settings.model import Settings
from schemas.topics import PROFILES as CHANGELOG
from streams.kafka.security import kafka_python_options
from tests.bench.ground import Ground
from tests.bench.recovery import FRESHET, _recovered, _states
from tests.bench.results import Result, percentiles
from tests.bench.wire import Outgoing, publish
from tests.bench.work import PROFILES

NAME = "scale"


def scale(ground: Ground) -> list[Result]:
    """Seconds to recover, memory and disk a person, for a hundred thousand people and for a million."""
    log = [Outgoing(one.user_id.encode(), feedback.encode(one)) for one in ground.log.feedback()]
    states = _states(PROFILES, log, "feedback.v1")
    sizes: tuple[int, ...] = ground.size((100_000, 1_000_000), (1000, 2000))
    return [row for size in sizes for row in _of(ground, states, size)]


def _of(ground: Ground, states: Sequence[bytes], people: int) -> Iterator[Result]:
    settings = ground.with_topics(f"s{people}.")
    topic = CHANGELOG.full(settings.prefix)
    publish(settings, topic, (Outgoing(b"p%07d" % n, state) for n, state in enumerate(islice(cycle(states), people))))
    found = _recovered(settings, FRESHET, PROFILES)
    p50, p99 = percentiles([len(state) for state in states])
    at, note = f"{people:,} people", f"profiles of {p50:.0f} bytes (p50) and {p99:.0f} (p99)"
    fault = "" if found.came_to == people else f"{found.came_to:,} of {people:,} were recovered"
    yield Result(NAME, found.seconds, "s to recover", at, more={"cpu_s": found.cpu_s}, note=note, fault=fault)
    yield Result(NAME, found.memory / people, "bytes of memory/person", at)
    yield Result(NAME, _on_disk(settings, topic) / people, "bytes of changelog/person", at)


def _on_disk(settings: Settings, topic: str) -> int:
    """Bytes of a topic's log, as the broker says."""
    with KafkaAdminClient(**kafka_python_options(settings)) as admin:
        logs = [log for broker in admin.describe_log_dirs() for log in broker["log_dirs"]]
    topics = [one for log in logs for one in log["topics"] if one["name"] == topic]
    return sum(partition["partition_size"] for one in topics for partition in one["partitions"])
