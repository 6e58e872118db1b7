"""Damaged record batches for a real broker, drawn from a seed, with good events between them.

A batch that the broker takes has to come to one dead letter for each of its offsets, or to one for all of them; each
good event counts once.
"""

import gzip
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import NamedTuple

import pyarrow

from ranker.profile.codec import unpack
from schemas.messages import feedback
from schemas.settings.model import Settings
from schemas.topics import DEAD_LETTERS, FEEDBACK, PROFILES
from streams.kafka.records import Record, partition_of
from tests.support import wire
from tests.support.events import minute, watched
from tests.support.system import everything
from tests.support.wire import Raw

PERSON = "u1"
HOME = partition_of(PERSON.encode(), 4)
LENGTHS = (0, 1, 5, 100, 3000)
TIMES = (0, -1, -(2**62), 2**62, 1_700_000_000_000)
RANGE = re.compile(r"offsets (\d+) to (\d+), a batch")
QUIET_S = 90.0  # without progress the partition stands still


def junk(rng: Random) -> bytes | None:
    """Bytes that are no event."""
    return rng.choice((None, b"", b"{", rng.randbytes(rng.choice(LENGTHS)), b'{"kind":"zap"}', b"\x00" * 100_000))


def raw(rng: Random) -> Raw:
    """A record that is no event, of any shape that the format has room for."""
    headers = [(rng.randbytes(rng.choice((0, 1, 9))), junk(rng)) for _ in range(rng.choice((0, 0, 1, 3)))]
    key = rng.choice((None, b"", PERSON.encode(), rng.randbytes(9)))
    delta = rng.choice((0, 0, 0, 1, -1, 2**31, -(2**40)))
    return Raw(junk(rng), key, headers, delta, rng.choice((0, 0, 1, 255)))


def compressed(data: bytes, codec: int) -> bytes:
    """The records as a codec packs them; as they are where there is no such codec."""
    if codec == wire.GZIP:
        return gzip.compress(data)
    if codec in (wire.SNAPPY, wire.ZSTD):
        name = "snappy" if codec == wire.SNAPPY else "zstd"
        return bytes(pyarrow.compress(data, codec=name, asbytes=True))
    return data


def damaged(rng: Random) -> bytes:
    """One batch: sound but for what it holds in half of the cases, damaged in one place in the others."""
    raws = [raw(rng) for _ in range(rng.choice((1, 1, 2, 5)))]
    codec, at_ms, count = rng.choice((0, 0, 1, 2, 4, 4)), rng.choice(TIMES), len(raws)
    records = wire.records_of(raws)
    damage = rng.choice(("", "", "", "", "codec", "count", "delta", "records", "packed", "crc", "control", "magic"))
    if damage == "records":
        records = _cut_or_flipped(records, rng)
    data = compressed(records, codec)
    if damage == "packed":
        data = _cut_or_flipped(data, rng)
    attributes = {"codec": rng.choice((3, 5, 6, 7)), "control": codec | 0x30}.get(damage, codec)
    count += rng.choice((1, 1000, -count)) if damage == "count" else 0
    last = rng.choice((0, 7, 2**20, -1)) if damage == "delta" else None
    made = bytearray(wire.batch(data, count, at_ms=at_ms, attributes=attributes, last_delta=last))
    if damage in ("crc", "magic"):
        made[18 if damage == "crc" else 16] ^= rng.choice((1, 2, 3))
    return bytes(made)


def _cut_or_flipped(data: bytes, rng: Random) -> bytes:
    if not data or rng.random() < 0.3:
        return data[: rng.randrange(len(data) + 1)]
    at = rng.randrange(min(len(data), 60))
    return data[:at] + bytes((data[at] ^ (1 << rng.randrange(8)),)) + data[at + 1 :]


class Sent(NamedTuple):
    """What the broker took: how many good events, and the offsets of everything else."""

    good: int
    bad: set[int]


NOTHING = Sent(0, set())


def send(
    settings: Settings,
    count: int,
    seed: int,
    progress: Callable[[int], object] = lambda _: None,
    after: Sent = NOTHING,
) -> Sent:
    """Publish so many damaged batches, each followed by a good event; gives that and what was sent before."""
    rng, topic, bad = Random(seed), FEEDBACK.full(settings.prefix), set(after.bad)
    for number in range(after.good, after.good + count):
        began = wire.produce(settings.bootstrap, topic, HOME, damaged(rng))
        value = feedback.encode(watched(PERSON, f"v{number % 50}", minute(number / 60)))
        good = wire.plain([Raw(value, PERSON.encode())], minute(number / 60))
        placed = wire.produce(settings.bootstrap, topic, HOME, good)
        assert placed.error == 0, placed
        if began.error == 0:
            bad.update(range(began.offset, placed.offset))
        progress(number)
    return Sent(after.good + count, bad)


def offsets_of(letters: Iterable[Record]) -> Counter[int]:
    """The offsets that dead letters stand for, and how often each."""
    found = Counter[int]()
    for letter in letters:
        headers = {name: (value or b"").decode() for name, value in letter.headers}
        several = RANGE.match(headers["detail"])
        first = int(headers["offset"])
        found.update(range(int(several[1]), int(several[2]) + 1) if several else (first,))
    return found


def problems(settings: Settings, sent: Sent) -> Sequence[str]:
    """Wait until all is taken in, or nothing moves any more; then say what is missing or there twice."""
    seen, since = (0, 0), time.monotonic()
    while True:
        profiles = [record.value for record in everything(settings, PROFILES) if record.value]
        counted = unpack(profiles[-1]).version if profiles else 0
        letters = offsets_of(everything(settings, DEAD_LETTERS))
        if counted >= sent.good and letters.keys() >= sent.bad:
            break
        if (counted, len(letters)) != seen:
            seen, since = (counted, len(letters)), time.monotonic()
        elif time.monotonic() - since > QUIET_S:
            break
        time.sleep(2)
    twice = [offset for offset, count in letters.items() if count > 1]
    missing = sorted(sent.bad - letters.keys())
    others = sorted(letters.keys() - sent.bad)
    return [
        *([f"{counted} events counted of {sent.good}"] if counted != sent.good else []),
        *([f"no dead letter for offsets {missing[:10]} and {len(missing)} in all"] if missing else []),
        *([f"two dead letters for offsets {twice[:10]}"] if twice else []),
        *([f"dead letters of good events: {others[:10]}"] if others else []),
    ]
