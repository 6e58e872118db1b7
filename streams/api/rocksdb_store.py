"""Slates in RocksDB below the data folder: for one API process, without a server beside it."""

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rocksdict import AccessType, BlockBasedOptions, Cache, DBCompressionType, Options, Rdict, WriteBatch

from streams.api.slate_store import StoredSlate, newest_of
from streams.errors import OperatorError
from streams.kafka.records import Record
from streams.kafka.topic_watch import TopicIdentity

log = logging.getLogger("freshet.api")

MIB = 1024 * 1024
CACHE_BYTES = 32 * MIB  # indexes and filters included: what a million people need comes and goes
WRITE_BUFFER_BYTES = 16 * MIB
COMPRESSION = DBCompressionType.lz4()
KEEP_S = 8 * 86_400  # a day more than the topic keeps a slate
PURGE_INTERVAL_S = 60.0
PURGED_AT_ONCE = 16
_PERSON, _POSITION, _TOPIC = b"u", b"p", b"t"
_END = b"\xff"  # behind every key


class RocksdbStore:
    """The slates and the offsets that they are of, written together: after a crash both are there, or neither."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._db = Rdict(str(folder), _options(), access_type=AccessType.with_ttl(KEEP_S))
        except Exception as error:  # the library has no class of its own for it
            raise OperatorError(
                f"The slates in {folder} cannot be opened: {error}.",
                "Another `freshet api` may run on this data folder; a damaged folder may be deleted, it is made again.",
            ) from None
        self._to_purge: set[bytes] = set()
        self._next_purge_s = time.monotonic() + PURGE_INTERVAL_S

    def begin(self, topic: TopicIdentity, ends: Mapping[int, int]) -> dict[int, int]:
        """Where each partition is read on; what is of a topic of another id is deleted first."""
        label = topic.id.encode()
        if self._db.get(_TOPIC) != label:
            log.info("slates are read from the beginning of their topic")
            batch = WriteBatch(raw_mode=True)
            batch.delete_range(b"", _END)
            self._db.write(batch)
            self._db.put(_TOPIC, label)
        kept = {p: int(self._db.get(_position_key(p)) or 0) for p in range(topic.partitions)}
        return {p: at if at <= ends.get(p, at) else 0 for p, at in kept.items()}  # beyond the end: the log was cut

    def apply(self, partition: int, records: Sequence[Record], position: int) -> list[str]:
        """Take one partition's records in; returns whose slate is another now."""
        newest = newest_of(records, self._version_of)
        batch = WriteBatch(raw_mode=True)
        for key, slate in newest.items():
            if slate is None:
                batch.delete(_PERSON + key)
                self._to_purge.add(_PERSON + key)
            else:
                batch.put(_PERSON + key, slate.pack())
        batch.put(_position_key(partition), str(position).encode())
        self._db.write(batch)
        if self._to_purge and time.monotonic() > self._next_purge_s:
            self._purge()
        return [key.decode() for key in newest]

    async def get(self, user_id: str) -> StoredSlate | None:
        """A person's slate; from the cache or one read of the disk, so without a thread."""
        row = self._db.get(_PERSON + user_id.encode())
        return None if row is None else StoredSlate.unpack(row)

    def close(self) -> None:
        """Write what is in memory, and let go of the files."""
        self._db.close()

    def _version_of(self, key: bytes) -> int:
        row = self._db.get(_PERSON + key)
        return 0 if row is None else StoredSlate.version_of(row)

    def _purge(self) -> None:
        """Rewrite the files that still hold erased people's slates under their tombstones."""
        self._db.flush()
        for key in sorted(self._to_purge)[:PURGED_AT_ONCE]:
            self._db.compact_range(key, key + b"\0")
            self._to_purge.discard(key)
        self._next_purge_s = time.monotonic() + PURGE_INTERVAL_S


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
