"""The batch-wise runtime on a real Kafka: nothing is acknowledged before it is done, and an agent may raise."""

import subprocess
from collections import Counter

import pytest
from kafka import KafkaConsumer, TopicPartition

from schemas.settings.model import Settings
from schemas.topics import FEEDBACK, RECOMMENDATIONS
from streams.worker import processes, supervise
from tests.support.forked import faust_command, forked
from tests.support.system import LIMIT_S, everything, publish, wait_until

pytestmark = pytest.mark.connected

COUNT = 400


def copier(settings: Settings, log: str = "copier.log") -> subprocess.Popen[bytes]:
    command = ["-A", "tests.support.workers.counting_app:app", "worker", "-l", "info", "--without-web"]
    return forked(faust_command, command, supervise.environment(settings), settings.data_dir / log)


def said(settings: Settings, log: str = "copier.log") -> str:
    return (settings.data_dir / log).read_text("utf-8")


def put(settings: Settings, start: int) -> None:
    numbers = range(start, start + COUNT)
    publish(settings, FEEDBACK, [(f"u{n % 50}", str(n).encode()) for n in numbers])


def copied(settings: Settings) -> Counter[int]:
    return Counter(int(record.value) for record in everything(settings, RECOMMENDATIONS))


def committed(settings: Settings) -> int:
    """How many records the group has acknowledged, over all partitions."""
    consumer = KafkaConsumer(bootstrap_servers=settings.bootstrap, group_id=f"{settings.prefix}copier")
    name = FEEDBACK.full(settings.prefix)
    offsets = [consumer.committed(TopicPartition(name, p)) or 0 for p in range(settings.partitions)]
    consumer.close()
    return sum(offsets)


def test_an_agent_that_raises_ends_its_worker_and_loses_nothing(settings: Settings) -> None:
    (settings.data_dir / "raise").touch()
    put(settings, 0)
    failing = copier(settings)
    assert failing.wait(LIMIT_S) == 1
    assert committed(settings) == 0
    assert "dropped a poll" in said(settings)

    (settings.data_dir / "raise").unlink()
    mended = copier(settings)
    wait_until("everything is copied", lambda: copied(settings).keys() == set(range(COUNT)))
    assert processes.stop(mended, LIMIT_S) == 0
    assert committed(settings) == COUNT


def test_a_clean_stop_acknowledges_what_is_done_and_nothing_comes_twice(settings: Settings) -> None:
    first = copier(settings)
    put(settings, 0)
    wait_until("the first records are copied", lambda: len(copied(settings)) == COUNT)
    assert processes.stop(first, LIMIT_S) == 0
    second = copier(settings)
    put(settings, COUNT)
    wait_until("the rest is copied", lambda: len(copied(settings)) == 2 * COUNT)
    assert processes.stop(second, LIMIT_S) == 0
    assert set(copied(settings).values()) == {1}
    assert committed(settings) == 2 * COUNT


def test_a_killed_worker_repeats_at_most_what_it_had_in_hand(settings: Settings) -> None:
    put(settings, 0)
    killed = copier(settings)
    wait_until("something is copied", lambda: bool(copied(settings)))
    killed.kill()
    killed.wait()
    put(settings, COUNT)
    again = copier(settings)
    wait_until("everything is copied", lambda: copied(settings).keys() == set(range(2 * COUNT)))
    assert processes.stop(again, LIMIT_S) == 0


def test_partitions_move_to_a_second_worker_and_back_without_loss(settings: Settings) -> None:
    first = copier(settings)
    put(settings, 0)
    wait_until("the first records are copied", lambda: len(copied(settings)) == COUNT)
    second = copier(settings, "second.log")
    put(settings, COUNT)
    wait_until("two workers copy", lambda: len(copied(settings)) == 2 * COUNT)
    wait_until("the second has partitions", lambda: "Worker ready" in said(settings, "second.log"))
    assert processes.stop(first, LIMIT_S) == 0
    put(settings, 2 * COUNT)
    wait_until("the second worker copies alone", lambda: copied(settings).keys() == set(range(3 * COUNT)))
    assert processes.stop(second, LIMIT_S) == 0
    assert committed(settings) == 3 * COUNT
    assert set(copied(settings).values()) == {1}
