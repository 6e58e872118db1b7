"""Slates in RocksDB below the data folder: for one API process, without a server beside it."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import cast

from rocksdict import BlockBasedOptions, Cache, DBCompressionType, Options, Rdict, WriteBatch

from schemas.messages.fields import DAY_MS
from streams.api.clock import now_ms
from streams.api.slate_store import LAYOUT, SlateRecord, StoredSlate, newest_of
from streams.errors import OperatorError
from streams.kafka.topic_follower import StartAgain
from streams.kafka.topic_watch import TopicIdentity

log = logging.getLogger("freshet.api")

MIB = 1024 * 1024
CACHE_BYTES = 32 * MIB  # indexes and filters included: what a million people need comes and goes
WRITE_BUFFER_BYTES = 16 * MIB
COMPRESSION = DBCompressionType.lz4()
# A day more than the topic keeps a slate. Deleted by a sweep of ours: RocksDB's own time to live, as rocksdict opens it
# again, deletes every row at the next compaction.
KEEP_DAYS = 8
SWEEP_INTERVAL_S = 600.0
SWEPT_AT_ONCE = 10_000
PURGE_INTERVAL_S = 60.0
PURGED_AT_ONCE = 16
_EXPIRY, _PERSON, _POSITION, _TOPIC = b"e", b"u", b"p", b"t"  # of an expiry's key: the day, then the person
_END = b"\xff"  # behind every key


class RocksdbStore:
    """The slates and the offsets that they are of, written together: after a crash both are there, or neither."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._opening = folder, Lock()
        self._db = _opened(folder)
        self._to_purge: set[bytes] = set()
        self._next_purge_s = time.monotonic() + PURGE_INTERVAL_S
        self._next_sweep_s = 0.0

    def begin(self, topic: TopicIdentity, ends: Mapping[int, int]) -> dict[int, int]:
        """Where each partition is read on; what is of a topic of another id is deleted first."""
        with self._opened_again_after_trouble():
            return self._begin(topic, ends)

    def _begin(self, topic: TopicIdentity, ends: Mapping[int, int]) -> dict[int, int]:
        label = f"{topic.id}/{LAYOUT}".encode()
        if self._db.get(_TOPIC) != label:
            log.info("slates are read from the beginning of their topic")
            batch = WriteBatch(raw_mode=True)
            batch.delete_range(b"", _END)
            self._db.write(batch)
            self._db.put(_TOPIC, label)
        kept = {p: int(self._db.get(_position_key(p)) or 0) for p in range(topic.partitions)}
        return {p: at if at <= ends.get(p, at) else 0 for p, at in kept.items()}  # beyond the end: the log was cut

    def apply(self, partition: int, records: Sequence[SlateRecord], position: int) -> list[str]:
        """Take one partition's records in; returns whose slate is another now."""
        with self._opened_again_after_trouble():
            return self._apply(partition, records, position)

    def _apply(self, partition: int, records: Sequence[SlateRecord], position: int) -> list[str]:
        before = _Rows(self._db)
        newest = newest_of(records, lambda key: StoredSlate.version_of(row) if (row := before[key]) else 0)
        batch = WriteBatch(raw_mode=True)
        for key, slate in newest.items():
            day = None if slate is None else _day_of(slate)
            if (row := before[key]) is not None and (old := _day_of(StoredSlate.unpack(row))) != day:
                batch.delete(_expiry_key(old, key))
            if slate is None or day is None:
                batch.delete(_PERSON + key)
                self._to_purge.add(_PERSON + key)
            else:
                batch.put(_PERSON + key, slate.pack())
                batch.put(_expiry_key(day, key), b"")
        batch.put(_position_key(partition), str(position).encode())
        self._db.write(batch)
        if time.monotonic() > self._next_sweep_s:
            self.sweep(now_ms())
        if self._to_purge and time.monotonic() > self._next_purge_s:
            self._purge()
        return [key.decode() for key in newest]

    async def get(self, user_id: str) -> StoredSlate | None:
        """A person's slate; from the cache or one read of the disk, so without a thread."""
        with self._opening:
            row = self._db.get(_PERSON + user_id.encode())
        return None if row is None else StoredSlate.unpack(row)

    def close(self) -> None:
        """Write what is in memory, and let go of the files."""
        self._db.close()

    @contextmanager
    def _opened_again_after_trouble(self) -> Iterator[None]:
        """Open the store again once a write that failed could succeed: after a full disk it takes nothing more.

        Until then it goes on answering what it has. StartAgain, since what was in memory is read from the topic again.
        """
        try:
            yield
        except Exception as error:  # the library has no class of its own for it
            if not _has_room(self._folder):
                raise
            with self._opening:
                with suppress(Exception):  # an earlier try may have closed it
                    self._db.close()
                self._db = _opened(self._folder)
            raise StartAgain(f"the store was opened again after {error}") from None

    def sweep(self, at_ms: int) -> None:
        """Delete what expired more than a week ago: of people who have not come back."""
        batch, kept_from = WriteBatch(raw_mode=True), _expiry_key(at_ms // DAY_MS - KEEP_DAYS, b"")
        for key in islice(cast("Iterator[bytes]", self._db.keys(from_key=_EXPIRY)), SWEPT_AT_ONCE):
            if key >= kept_from:
                break
            batch.delete(key)
            batch.delete(_PERSON + key[len(kept_from) :])
        self._db.write(batch)
        self._next_sweep_s = time.monotonic() + SWEEP_INTERVAL_S

    def _purge(self) -> None:
        """Rewrite the files that still hold erased people's slates under their tombstones."""
        self._db.flush()
        for key in sorted(self._to_purge)[:PURGED_AT_ONCE]:
            self._db.compact_range(key, key + b"\0")
            self._to_purge.discard(key)
        self._next_purge_s = time.monotonic() + PURGE_INTERVAL_S


def _opened(folder: Path) -> Rdict:
    try:
        return Rdict(str(folder), _options())
    except Exception as error:  # the library has no class of its own for it
        raise OperatorError(
            f"The slates in {folder} cannot be opened: {error}.",
            "Another `freshet api` may run on this data folder; a damaged folder may be deleted, it is made again.",
        ) from None


def _has_room(folder: Path) -> bool:
    """Whether the disk takes what a store writes when it is opened again."""
    probe = folder.with_name(f"{folder.name}.probe")
    try:
        probe.write_bytes(bytes(2 * WRITE_BUFFER_BYTES))
    except OSError:
        return False
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
    return True


class _Rows(dict[bytes, bytes | None]):
    """Rows by person as they are before a batch, each read once."""

    def __init__(self, db: Rdict) -> None:
        super().__init__()
        self._db = db

    def __missing__(self, key: bytes) -> bytes | None:
        self[key] = row = self._db.get(_PERSON + key)
        return row


def _day_of(slate: StoredSlate) -> int:
    """The day on which a slate expires; the last one that its key has room for where that is beyond."""
    return min(slate.expires_at_ms // DAY_MS, 2**32 - 1)


def _expiry_key(day: int, key: bytes) -> bytes:
    return _EXPIRY + day.to_bytes(4, "big") + key


def _position_key(partition: int) -> bytes:
    return _POSITION + partition.to_bytes(4, "big")


def _options() -> Options:
    """Memory bounded by the cache and two write buffers, whatever the number of people."""
    blocks = BlockBasedOptions()
    blocks.set_block_cache(Cache(CACHE_BYTES))
    blocks.set_bloom_filter(10, False)
    blocks.set_cache_index_and_filter_blocks(True)
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(True)
    options = Options(raw_mode=True)
    options.set_block_based_table_factory(blocks)
    options.set_write_buffer_size(WRITE_BUFFER_BYTES)
    options.set_max_write_buffer_number(2)
    options.set_max_total_wal_size(2 * WRITE_BUFFER_BYTES)
    options.set_max_open_files(256)
    options.set_max_background_jobs(2)
    options.set_compression_type(COMPRESSION)
    options.set_skip_stats_update_on_db_open(True)
    options.set_keep_log_file_num(2)
    return options
