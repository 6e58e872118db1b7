"""What both stores of slates keep to, and what each has of its own."""

import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rocksdict import DBCompressionType

from schemas.messages.fields import DAY_MS
from streams.api import rocksdb_store
from streams.api.clock import now_ms
from streams.api.redis_store import RedisStore
from streams.api.rocksdb_store import RocksdbStore
from streams.api.slate_store import SlateStore, slates_in
from streams.errors import OperatorError
from streams.kafka.records import partition_of
from streams.kafka.topic_follower import StartAgain
from streams.kafka.topic_watch import TopicIdentity
from streams.local.broker import free_port
from tests.support.api import record, slate

FIRST, SECOND = TopicIdentity("first", 4), TopicIdentity("second", 4)
Make = Callable[[], SlateStore]
SERVERS = ("redis-server", "valkey-server")


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = next((found for name in SERVERS if (found := shutil.which(name))), None)
    if server is None:
        pytest.skip("neither redis-server nor valkey-server is installed")
    port, folder = free_port(), tmp_path_factory.mktemp("redis")
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    process = subprocess.Popen([server, *options], stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                RedisStore(f"redis://127.0.0.1:{port}/0", "probe").close()
                break
            except OperatorError:
                time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(params=["rocksdb", "redis"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Opens the store, and opens it again after it was closed."""
    if request.param == "rocksdb":
        return lambda: RocksdbStore(tmp_path / "slates")
    url: str = request.getfixturevalue("redis_url")
    return lambda: RedisStore(url, str(tmp_path))


def put(store: SlateStore, user_id: str, value: bytes | None, offset: int) -> list[str]:
    partition = partition_of(user_id.encode(), 4)
    return store.apply(partition, slates_in([record(user_id, value, offset, partition)]), offset + 1)


async def version(store: SlateStore, user_id: str) -> int | None:
    found = await store.get(user_id)
    return found.version if found else None


async def test_slates_and_offsets_are_there_after_a_restart(make: Make) -> None:
    store = make()
    assert store.begin(FIRST, {}) == {0: 0, 1: 0, 2: 0, 3: 0}
    message = slate("ana", 7, partition=2, offset=9)
    assert put(store, "ana", message, 41) == ["ana"]
    store.close()
    store = make()
    assert store.begin(FIRST, {})[partition_of(b"ana", 4)] == 42
    found = await store.get("ana")
    assert found is not None
    assert (found.message, found.version, found.partition, found.offset) == (message, 7, 2, 9)
    assert await store.get("ben") is None
    store.close()


async def test_the_highest_version_counts_and_of_equal_ones_the_last(make: Make) -> None:
    store = make()
    store.begin(FIRST, {})
    put(store, "ana", slate("ana", 7), 0)
    put(store, "ana", slate("ana", 6), 1)
    assert await version(store, "ana") == 7
    again = slate("ana", 7, degraded=["again"])
    put(store, "ana", again, 2)
    found = await store.get("ana")
    assert found is not None and found.message == again
    store.close()


async def test_a_tombstone_takes_the_slate_and_a_later_life_begins(make: Make) -> None:
    store = make()
    store.begin(FIRST, {})
    put(store, "ana", slate("ana", 7), 0)
    assert put(store, "ana", None, 1) == ["ana"]
    assert await version(store, "ana") is None
    put(store, "ana", slate("ana", 1_000_008), 2)
    assert await version(store, "ana") == 1_000_008
    store.close()


async def test_a_topic_that_was_made_again_begins_with_nothing(make: Make) -> None:
    store = make()
    store.begin(FIRST, {})
    put(store, "ana", slate("ana", 7), 40)
    assert store.begin(SECOND, {}) == {0: 0, 1: 0, 2: 0, 3: 0}
    assert await version(store, "ana") is None
    put(store, "ana", slate("ana", 1), 0)
    assert await version(store, "ana") == 1
    store.close()


async def test_a_log_that_was_cut_is_read_from_its_beginning(make: Make) -> None:
    store = make()
    store.begin(FIRST, {})
    put(store, "ana", slate("ana", 7), 40)
    partition = partition_of(b"ana", 4)
    assert store.begin(FIRST, {partition: 41})[partition] == 41
    assert store.begin(FIRST, {partition: 40})[partition] == 0
    store.close()


async def test_what_is_no_slate_is_left_out_and_stops_nothing(make: Make) -> None:
    store = make()
    store.begin(FIRST, {})
    partition = partition_of(b"ana", 4)
    huge = slate("ana", 2**70)
    records: list[Any] = [record("x", value, n, partition) for n, value in enumerate((b"{}", b"[", b"\xff", huge))]
    records += [record("ana", slate("ana", 3), 4, partition)._replace(key=None)]
    records += [record("ana", slate("ana", 3), 5, partition)._replace(key=b"\xff"), record("ana", slate("ana"), 6)]
    assert store.apply(partition, slates_in(records), 7) == ["ana"]
    assert store.begin(FIRST, {})[partition] == 7
    store.close()


async def test_of_two_processes_the_slower_one_brings_nothing_back(redis_url: str, tmp_path: Path) -> None:
    fast, slow = RedisStore(redis_url, str(tmp_path)), RedisStore(redis_url, str(tmp_path))
    for store in (fast, slow):
        store.begin(FIRST, {})
    put(fast, "ana", slate("ana", 7), 0)
    put(fast, "ana", None, 1)
    put(fast, "ben", slate("ben", 1), 2)
    put(slow, "ana", slate("ana", 7), 0)  # which the other has taken away meanwhile
    assert await version(fast, "ana") is None
    put(fast, "ana", slate("ana", 1_000_008), 3)
    put(slow, "ana", None, 1)
    assert await version(fast, "ana") == 1_000_008
    for store in (fast, slow):
        store.close()


async def test_a_server_that_lost_its_data_is_filled_again(redis_url: str, tmp_path: Path) -> None:
    store = RedisStore(redis_url, str(tmp_path))
    store.begin(FIRST, {})
    put(store, "ana", slate("ana", 7), 0)
    store._writer.flushdb()
    with pytest.raises(StartAgain):
        put(store, "ana", slate("ana", 8), 1)
    assert store.begin(FIRST, {}) == {0: 0, 1: 0, 2: 0, 3: 0}
    store.close()


async def test_a_compaction_after_a_restart_takes_nothing(tmp_path: Path) -> None:
    for _ in range(3):
        store = RocksdbStore(tmp_path)
        store.begin(FIRST, {})
        put(store, "ana", slate("ana", 7), 0)
        store._db.flush()
        store._db.compact_range(None, None)
        assert await version(store, "ana") == 7
        store.close()


async def test_what_expired_more_than_a_week_ago_is_deleted(tmp_path: Path) -> None:
    store, today = RocksdbStore(tmp_path), now_ms()
    store.begin(FIRST, {})
    for user_id, days in (("ana", 0), ("ben", -7), ("eva", -10), ("ida", -10)):
        put(store, user_id, slate(user_id, 1, expires_at_ms=today + days * DAY_MS), 0)
    put(store, "ida", slate("ida", 2, expires_at_ms=today), 1)  # who has come back
    put(store, "ona", slate("ona", 1, expires_at_ms=2**60), 1)
    store.sweep(today)
    known = {user_id: await version(store, user_id) for user_id in ("ana", "ben", "eva", "ida", "ona")}
    assert known == {"ana": 1, "ben": 1, "eva": None, "ida": 2, "ona": 1}
    put(store, "ona", None, 2)
    assert [key for key in list(store._db.keys()) if key.endswith((b"ona", b"eva"))] == []  # type: ignore[union-attr]
    store.close()


def test_a_second_process_on_one_folder_is_told_so(tmp_path: Path) -> None:
    first = RocksdbStore(tmp_path)
    with pytest.raises(OperatorError, match="Another `freshet api` may run"):
        RocksdbStore(tmp_path)
    first.close()


async def test_an_erased_persons_slate_leaves_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rocksdb_store, "COMPRESSION", DBCompressionType.none())
    store = RocksdbStore(tmp_path)
    store.begin(FIRST, {})
    for n in range(300):
        put(store, f"user-{n}", slate(f"user-{n}", 1, degraded=[f"mark-{n}-of-this-person"] * 50), n)
    store._db.flush()
    monkeypatch.setattr(store, "_next_purge_s", 0.0)
    put(store, "user-7", None, 300)
    store.close()
    found = b"".join(path.read_bytes() for path in Path.rglob(tmp_path, "*.*"))
    assert b"mark-7-of" not in found
    assert b"mark-8-of" in found  # the files can be read that way


def test_a_redis_that_does_not_answer_is_an_error_in_a_sentence() -> None:
    pytest.importorskip("redis")
    with pytest.raises(OperatorError, match=r"127\.0\.0\.1 does not answer"):
        RedisStore(f"redis://:s3cret@127.0.0.1:{free_port()}/0", "x")


async def test_a_store_that_met_a_full_disk_answers_meanwhile_and_goes_on_once_there_is_room(tmp_path: Path) -> None:
    store = RocksdbStore(tmp_path / "slates")
    assert put(store, "ana", slate("ana", 1), 0) == ["ana"]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        for offset in (1, 2):
            with pytest.raises(Exception, match="IO error"):
                put(store, "ana", slate("ana", 1 + offset), offset)
            assert await version(store, "ana") == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(StartAgain, match="opened again after"):
        put(store, "ana", slate("ana", 2), 1)
    assert await version(store, "ana") == 1
    assert put(store, "ana", slate("ana", 2), 1) == ["ana"] and await version(store, "ana") == 2
    store.close()
