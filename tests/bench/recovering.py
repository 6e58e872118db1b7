"""One engine's recovery, timed by itself; prints a line of JSON with the fields of `recovery.Recovered`."""

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from schemas.settings.load import load
from schemas.settings.model import Settings
from schemas.topics import FEEDBACK, PROFILES
from tests.bench.work import REFERENCE, WORKS, Work

FETCH_RECORDS = 10_000
WAIT_S = 0.2  # the longest for that many


class Watch:
    """Wall and CPU time since it was made."""

    def __init__(self) -> None:
        self._wall_s, self._cpu_s, self._memory = time.monotonic(), time.process_time(), memory()

    def echo_err(self, came_to: int) -> None:
        """Print the line."""
        seconds, cpu_s = time.monotonic() - self._wall_s, time.process_time() - self._cpu_s
        grown = memory() - self._memory
        line = json.dumps({"came_to": came_to, "seconds": seconds, "cpu_s": cpu_s, "memory": grown})
        print(f"\n{line}", flush=True)  # Faust leaves a line of its own unfinished


def memory() -> int:
    """Bytes of this process that lie in memory."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def freshet(settings: Settings, work: Work) -> None:
    """Freshet's owned state."""
    from streams.app import new_app
    from streams.kafka.confirmed_producer import ConfirmedProducer
    from streams.profiles.store import ProfileStore
    from tests.bench.freshet_app import owned

    app = new_app("recovery", settings)
    out = ConfirmedProducer(app)
    states: Any = owned(app, settings, out) if work is REFERENCE else ProfileStore(app, settings, out)
    partitions = set(range(settings.partitions))
    watch = Watch()
    asyncio.run(states.recover(partitions))
    watch.echo_err(sum(len(states[partition]) for partition in partitions))


def reader(settings: Settings, work: Work) -> None:
    """A bare consumer that counts records, up to the ends as they are when it begins."""
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

    watch = Watch()
    options = {"bootstrap.servers": settings.bootstrap, "group.id": "reader", "enable.auto.commit": False}
    consumer = Consumer(options)
    topic = PROFILES.full(settings.prefix)
    places = [TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(settings.partitions)]
    ends = {place.partition: consumer.get_watermark_offsets(place)[1] for place in places}
    consumer.assign(places)
    count, left = 0, places
    while left:
        count += sum(record.error() is None for record in consumer.consume(FETCH_RECORDS, WAIT_S))
        left = [place for place in consumer.position(left) if place.offset < ends[place.partition]]
    watch.echo_err(count)
    consumer.close()


def faust(settings: Settings, work: Work) -> None:
    """Faust's table: from the assignment of its partitions until Faust says that it is recovered."""
    from tests.bench.faust_app import build, run

    async def recovered() -> None:
        watch.echo_err(len(app.tables["states"].data.data))
        os.kill(os.getpid(), signal.SIGTERM)  # in order: the next run needs its place in the group

    app = build(
        settings.bootstrap, FEEDBACK.full(settings.prefix), settings.data_dir, settings.partitions, work, recovered
    )
    watch = Watch()

    async def assigned(*_: Any, **__: Any) -> None:
        nonlocal watch
        watch = Watch()

    app.on_partitions_assigned.connect(assigned, weak=False)
    run(app)


if __name__ == "__main__":
    _, who, name = sys.argv
    here = load({}, os.environ, None).settings
    {"freshet": freshet, "reader": reader, "faust": faust}[who](here, WORKS[name])
