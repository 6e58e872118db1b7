"""What the HTTP API does where its topic or its broker is not what it was."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.settings.model import Settings
from schemas.topics import RECOMMENDATIONS, TOPICS
from streams.api.rocksdb_store import RocksdbStore
from streams.api.slate_feed import SlateFeed, Waiters
from streams.kafka import topic_admin
from streams.kafka.security import librdkafka_options
from streams.kafka.topic_follower import TopicFollower
from streams.kafka.topic_watch import TopicWatch
from tests.integration.test_api import event, has, served
from tests.support.api import slate
from tests.support.brokers import broker_in, settings_for
from tests.support.made_again import make_again
from tests.support.system import publish, wait_until

pytestmark = pytest.mark.connected


class Followed:
    """Slates that are followed in this process."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.store = RocksdbStore(folder)
        self.watch = TopicWatch(librdkafka_options(settings))
        self.watch.start()
        feed = SlateFeed(self.store, asyncio.run(waiters()))
        self.follower = TopicFollower(settings, RECOMMENDATIONS.full(settings.prefix), self.watch, feed)
        self.follower.start()

    def version(self, user_id: str) -> int | None:
        found = asyncio.run(self.store.get(user_id))
        return found.version if found else None

    def stop(self) -> None:
        self.follower.stop()
        self.watch.stop()
        self.store.close()


async def waiters() -> Waiters:
    return Waiters()


@contextmanager
def followed(settings: Settings, folder: Path) -> Iterator[Followed]:
    running = Followed(settings, folder)
    try:
        yield running
    finally:
        running.stop()


def test_a_topic_that_was_made_again_is_read_from_its_beginning_and_what_was_is_gone(
    settings: Settings, tmp_path: Path
) -> None:
    with followed(settings, tmp_path / "slates") as slates:
        publish(settings, RECOMMENDATIONS, [(f"u{n}", slate(f"u{n}", 9)) for n in range(40)])
        wait_until("all are there", lambda: all(slates.version(f"u{n}") == 9 for n in range(40)))
        make_again(settings, RECOMMENDATIONS)
        publish(settings, RECOMMENDATIONS, [(f"u{n}", slate(f"u{n}", 1)) for n in range(20)])
        wait_until("the new ones are there", lambda: all(slates.version(f"u{n}") == 1 for n in range(20)))
        assert {slates.version(f"u{n}") for n in range(20, 40)} == {None}


def test_what_was_deleted_unread_is_passed_over(settings: Settings, tmp_path: Path) -> None:
    with followed(settings, tmp_path / "slates") as slates:
        publish(settings, RECOMMENDATIONS, [(f"u{n}", slate(f"u{n}", 1)) for n in range(40)])
        wait_until("all are there", lambda: all(slates.version(f"u{n}") == 1 for n in range(40)))
    publish(settings, RECOMMENDATIONS, [(f"u{n}", slate(f"u{n}", 2)) for n in range(40)])
    name = RECOMMENDATIONS.full(settings.prefix)
    ends = [TopicPartition(name, p, -1) for p in range(settings.partitions)]
    admin = AdminClient(dict(librdkafka_options(settings)))  # kept: without it nobody would answer
    for done in admin.delete_records(ends).values():
        done.result()
    with followed(settings, tmp_path / "slates") as slates:
        publish(settings, RECOMMENDATIONS, [("u7", slate("u7", 3))])
        wait_until("the newest is there", lambda: slates.version("u7") == 3)
        wait_until("all is read", lambda: slates.follower.caught_up)
        assert slates.version("u8") == 1  # what it had


def test_while_the_broker_is_away_slates_are_answered_and_nothing_is_acknowledged(tmp_path: Path) -> None:
    with broker_in(tmp_path / "broker") as broker:
        settings = settings_for(broker, data_dir=tmp_path, prefix="away.")
        topic_admin.apply(settings, TOPICS, print)
        with served(settings, tmp_path) as api:
            publish(settings, RECOMMENDATIONS, [("ana", slate("ana", 1))])
            wait_until("it is there", lambda: has(api, "ana", 1))
            broker.kill()
            refused: Any = api.http.post("/v1/feedback", json=event("ana", "v1", event_id="e1"))
            assert refused.status_code == 503
            assert refused.json()["detail"].endswith("an event with an event_id counts once.")
            assert has(api, "ana", 1)
            wait_until("it says so", lambda: api.http.get("/readyz").status_code == 503)
            broker.start()
            wait_until("it is taken again", lambda: taken(api.http))
            publish(settings, RECOMMENDATIONS, [("ana", slate("ana", 2))])
            started = time.monotonic()
            wait_until("the newer one is there", lambda: has(api, "ana", 2))
            assert time.monotonic() - started < 60
            wait_until("it is ready again", lambda: api.http.get("/readyz").status_code == 200)


def taken(http: httpx.Client) -> bool:
    return http.post("/v1/feedback", json=event("ana", "v1", event_id="e1")).status_code == 200
