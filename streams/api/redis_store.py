"""Slates in Redis or Valkey: for several API processes, each of which follows the topic and writes the same.

What a partition has is written by one script, which leaves out what another process wrote before: so every record
counts once and in order, by whichever process comes first, and none brings back what a later tombstone took away.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from streams.api.slate_store import LAYOUT, SlateRecord, StoredSlate, newest_of
from streams.errors import OperatorError
from streams.kafka.records import partition_of
from streams.kafka.topic_follower import StartAgain
from streams.kafka.topic_watch import TopicIdentity

KEEP_MS = 8 * 86_400_000  # a day more than the topic keeps a slate
TIMEOUT_S = 5.0
PEOPLE_AT_ONCE = 500  # of one call of the script, for Redis does nothing else meanwhile

# KEYS: the position, then one a person. ARGV: where this process had come to, the position after it, how long to keep a
# row, then for each person the offset of their record and the row, which is empty where it is a tombstone.
SCRIPT = """
local kept = tonumber(redis.call('GET', KEYS[1]) or '0')
if kept < tonumber(ARGV[1]) then return kept end
for i = 2, #KEYS do
  local offset, row = tonumber(ARGV[2 * i]), ARGV[2 * i + 1]
  if offset >= kept then
    if row == '' then
      redis.call('DEL', KEYS[i])
    else
      local old = redis.call('GETRANGE', KEYS[i], 0, 7)
      if #old < 8 or struct.unpack('<I8', old) <= struct.unpack('<I8', row) then
        redis.call('SET', KEYS[i], row, 'PX', ARGV[3])
      end
    end
  end
end
if tonumber(ARGV[2]) > kept then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return -1
"""


class RedisStore:
    """The slates on a server that other API processes use too."""

    def __init__(self, url: str, name: str) -> None:
        try:
            import redis
            from redis import asyncio as redis_asyncio
        except ImportError:
            raise OperatorError(
                "FRESHET_SLATES_URL names a Redis, whose client is not installed.", "pip install 'freshet[redis]'."
            ) from None
        limits: dict[str, Any] = {"socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S}
        self._name, self._shown = name, urlsplit(url).hostname
        self._writer = redis.Redis.from_url(url, **limits)
        self._reader = redis_asyncio.Redis.from_url(url, **limits)
        self._apply = self._writer.register_script(SCRIPT)
        self._topic: TopicIdentity | None = None
        self._at: dict[int, int] = {}  # by partition, the offset behind what this process has written
        try:
            self._writer.ping()
        except redis.RedisError as error:
            raise OperatorError(
                f"The Redis of FRESHET_SLATES_URL at {self._shown} does not answer: {str(error).rstrip('.')}.",
                "Start it, or leave the setting out: the slates are then kept below the data folder.",
            ) from None

    def begin(self, topic: TopicIdentity, ends: Mapping[int, int]) -> dict[int, int]:
        """Where each partition is read on; what is of a topic of another id is under other keys, and expires."""
        self._topic = topic
        kept = {p: int(self._writer.get(self._place(topic, p)) or 0) for p in range(topic.partitions)}
        for p, at in kept.items():
            if at > ends.get(p, at):  # the log was cut
                self._writer.delete(self._place(topic, p))
                kept[p] = 0
        self._at = dict(kept)
        return kept

    def apply(self, partition: int, records: Sequence[SlateRecord], position: int) -> list[str]:
        """Take one partition's records in; returns whose slate may be another now."""
        if self._topic is None:
            raise StartAgain("the topic is not known yet")
        place, changed = self._place(self._topic, partition), []
        for start in range(0, len(records), PEOPLE_AT_ONCE):
            part, rest = records[start : start + PEOPLE_AT_ONCE], records[start + PEOPLE_AT_ONCE :]
            behind = rest[0].offset if rest else position
            newest = newest_of(part, lambda _: 0)
            offsets = {record.key: record.offset for record in part}
            keys, values = [place], [b"%d" % self._at[partition], b"%d" % behind, b"%d" % KEEP_MS]
            for key, slate in newest.items():
                keys.append(place + key)
                values += [b"%d" % offsets[key], b"" if slate is None else slate.pack()]
            if (kept := int(self._apply(keys=keys, args=values))) >= 0:
                raise StartAgain(f"Redis has partition {partition} up to offset {kept} only")
            self._at[partition] = behind
            changed += [key.decode() for key in newest]
        return changed

    async def get(self, user_id: str) -> StoredSlate | None:
        """A person's slate."""
        if self._topic is None:
            return None
        key = user_id.encode()
        row: Any = await self._reader.get(self._place(self._topic, partition_of(key, self._topic.partitions)) + key)
        return None if row is None else StoredSlate.unpack(row)

    def close(self) -> None:
        """Let go of the connections; those of the event loop end with it."""
        self._writer.close()

    def _place(self, topic: TopicIdentity, partition: int) -> bytes:
        """What the keys of one partition begin with; a cluster keeps them together by the part in braces."""
        return f"{{{self._name}:{topic.id}/{LAYOUT}:{partition}}}:".encode()
