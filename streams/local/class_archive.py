"""An archive of Kafka's classes as Java has read and checked them once: a broker then starts with less CPU and memory.

It is Java's class-data sharing, see decision 0088. A broker that finds none, or one that its Java cannot use, reads the
classes themselves, as before.
"""

import tempfile
from pathlib import Path

from schemas.settings.load import load
from schemas.topics import TOPICS
from streams.errors import OperatorError
from streams.kafka import topic_admin
from streams.kafka.probe import Report
from streams.local.broker import LocalBroker, free_port
from streams.local.java import archive_of

WRITTEN_WITHIN_S = 120.0  # at the broker's end; a guess: 4 s were seen on two cores that others used too


def make_class_archive(jars: Path, report: Report) -> None:
    """Make the archive beside the jars, unless it is there; where that cannot be, say so and do without."""
    archive = archive_of(jars)
    if archive.exists():
        return
    report("making an archive of Kafka's classes, so that a broker starts sooner (some seconds, once)")
    try:
        with tempfile.TemporaryDirectory(dir=jars.parent, prefix=".classes-") as beside:
            _written(Path(beside), jars, archive.name).rename(archive)
    except (OSError, OperatorError) as error:
        report(f"not made, so brokers start without: {error}")


def _written(folder: Path, jars: Path, name: str) -> Path:
    """The archive of a broker that has made our topics; Java writes it as the broker ends."""
    broker = LocalBroker(folder / "broker", jars, free_port(), archiving=folder / name)
    try:
        broker.start()
        topic_admin.apply(load({"bootstrap": broker.bootstrap}, {}, None).settings, TOPICS, lambda _: None)
    finally:
        broker.stop(WRITTEN_WITHIN_S)
    return folder / name
