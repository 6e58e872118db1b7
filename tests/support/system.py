"""Freshet as its users meet it: agents as processes of their own on a real Kafka, spoken to by kafka-python."""

import hashlib
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from re import sub
from typing import Any

from kafka import KafkaProducer

from schemas.messages.recommendations import Recommendation, decode_recommendation
from schemas.settings.load import load
from schemas.settings.model import Settings
from schemas.topics import RECOMMENDATIONS, TOPICS, Topic
from streams.errors import OperatorError
from streams.kafka import topic_admin
from streams.kafka.command_reader import command_reader
from streams.kafka.records import Record
from streams.worker import processes, supervise
from tests.support.brokers import CACHE, share_labels
from tests.support.forked import forked, freshet_command

LIMIT_S = 600.0  # beside a busy loop on each core nothing that is waited for took 60 s; ten times slower it passes too
SHOWN = 60  # characters of a test's name in its prefix; topic names end at 249


class Agents:
    """Worker processes with their output in files."""

    def __init__(self, settings: Settings, folder: Path, cold: bool = False) -> None:
        self.settings, self.folder, self.cold = settings, folder, cold
        self.running: list[tuple[str, subprocess.Popen[bytes], Path]] = []

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """Start one more worker of an agent."""
        if name == "encoder":
            share_labels(self.settings.data_dir)
        log = self.folder / f"{name}-{len(self.running)}.log"
        process = (started if self.cold else warm)(name, supervise.environment(self.settings), log)
        self.running.append((name, process, log))
        return process

    def said(self, name: str) -> str:
        """Everything that the workers of this name wrote."""
        return "\n".join(log.read_text("utf-8") for of, _, log in self.running if of == name)

    def alive(self) -> bool:
        """Whether all workers are still running."""
        return all(process.poll() is None for _, process, _ in self.running)

    def stop(self) -> None:
        """Stop what still runs, in order, and by force where that takes too long."""
        supervise.stop_all({f"{name}-{process.pid}": process for name, process, _ in self.running}, print)


def warm(agent: str, environ: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """A worker forked off a process that has imported everything."""
    return forked(freshet_command, ["worker", agent], environ, log)


def started(agent: str, environ: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """A worker as `freshet up` starts it: an interpreter of its own."""
    (command,) = supervise.workers([agent]).values()
    with log.open("wb") as output:
        return processes.start(command, output, environ)


@contextmanager
def agents(settings: Settings, folder: Path, *names: str, cold: bool = False) -> Iterator[Agents]:
    """Run agents for the time of a `with`; cold ones import everything themselves."""
    running = Agents(settings, folder, cold)
    try:
        for name in names:
            running.start(name)
        yield running
    finally:
        running.stop()


def prefix_of(test: str) -> str:
    """A prefix for the topics of one test: its name, cut short, and what tells it from others of that name.

    test  its node id, which no other test has
    """
    name = sub("[^a-z0-9]+", "-", test.split("::")[-1].lower())[:SHOWN]
    return f"{name}-{hashlib.sha256(test.encode()).hexdigest()[:6]}."


def own_topics(bootstrap: str, folder: Path, test: str) -> Settings:
    """Settings with topics of the test's own on a broker that it shares; the topics are made.

    test  its node id
    """
    prefix = prefix_of(test)
    folders = {"data_dir": folder, "cache_dir": CACHE.settings.cache_dir}
    patience = {"stuck_s": LIMIT_S}  # a broker that is starved for minutes is no reason to end: nobody starts it again
    settings = load({"bootstrap": bootstrap, "prefix": prefix, **folders, **patience}, {}, None).settings
    topic_admin.apply(settings, TOPICS, print)
    return settings


def wait_until(what: str, holds: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
    """Return when it holds; fail by its name when it does not within the limit."""
    asked = time.monotonic()
    end = asked + limit_s
    while not holds():
        assert time.monotonic() < end, f"not within {limit_s:g} s: {what}"
        # What takes long to ask is asked less often: it takes its time from those that are waited for.
        time.sleep(min(1.0, max(0.1, time.monotonic() - asked)))
        asked = time.monotonic()


def publish(
    settings: Settings, topic: Topic, records: Iterable[tuple[str | None, bytes | None]], **options: Any
) -> list[Any]:
    """Send (key, value) pairs and give what the broker says of each: topic, partition, offset."""
    producer = KafkaProducer(bootstrap_servers=settings.bootstrap, max_request_size=16 * 1024 * 1024, **options)
    name = topic.full(settings.prefix)
    sent = [producer.send(name, key=None if k is None else k.encode(), value=v) for k, v in records]
    producer.flush()
    confirmed = [one.get(timeout=LIMIT_S) for one in sent]
    producer.close()
    return confirmed


def everything(settings: Settings, topic: Topic) -> list[Record]:
    """All records that a topic holds now, by partition and offset; batches that cannot be read are left out."""
    end = time.monotonic() + LIMIT_S
    while True:
        try:
            with command_reader(settings) as reader:
                records = list(reader.records(topic.full(settings.prefix)))
        except OperatorError:  # a topic that was made a moment ago has no leader yet
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return sorted(records, key=lambda record: (record.partition, record.offset))


def slates(settings: Settings) -> list[Recommendation]:
    """All slates so far, in the order of their partitions."""
    return [decode_recommendation(record.value) for record in everything(settings, RECOMMENDATIONS) if record.value]


def unanswered(confirmed: Sequence[Any], answers: Iterable[Recommendation]) -> list[Any]:
    """Events that no slate takes into account yet."""
    reached: dict[int, dict[str, int]] = {}
    for slate in answers:
        of_partition = reached.setdefault(slate.trigger.partition, {})
        of_partition[slate.user_id] = max(slate.trigger.offset, of_partition.get(slate.user_id, -1))
    return [(user, sent) for user, sent in confirmed if reached.get(sent.partition, {}).get(user, -1) < sent.offset]
