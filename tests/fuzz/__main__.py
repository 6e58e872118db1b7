"""`make fuzz`: a million damaged messages for every reader of bytes, from a seed; nothing may raise.

`python -m tests.fuzz --only feedback --from 4711 --count 1` does one again.
"""

import argparse
import logging
import os
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec
import pytest

from ranker.catalogue.catalogue import Catalogue
from ranker.catalogue.popularity import TrendCounts, merge
from ranker.profile.codec import ProfileError, UnknownFormat, pack, unpack, version_of
from ranker.profile.fold import fold
from ranker.profile.model import Origin
from schemas.messages import cloudevents, recommendations, videos
from schemas.messages.dead_letters import DeadLetter, Reason, letter_headers
from schemas.messages.erasures import decode_marker
from schemas.messages.feedback import decode, encode
from schemas.settings.load import SettingsError, load
from streams.dead_letters import validation
from streams.dead_letters.publisher import to_record
from streams.dead_letters.store import from_record
from streams.dead_letters.validation import read_feedback, read_upload
from streams.kafka.owned_state import outdated_last
from streams.kafka.records import Headers, Record
from streams.profiles.erasure import read_erasures
from streams.profiles.store import _marker_order
from streams.profiles.trends import read_trends
from streams.ranking.shared_state import catalogue_record_of
from streams.ranking.step import profile_of
from tests.support.events import NOON, ONE_OF_EACH, after, encoded, liked, uploaded, withdrawn, withdrew
from tests.support.mutations import mutated
from tests.support.paths import GOLDEN

MESSAGES = GOLDEN / "messages"
HEADERS = ("content-type", "ce_specversion", "ce_id", "ce_type", "freshet-origin", "reason", "attempts")
SAY_EVERY_S = 10.0
Read = Callable[[bytes], str]


class Reader(NamedTuple):
    """Something that reads bytes, messages that it can read, and its share of all damages."""

    read: Read
    seeds: Sequence[bytes]
    share: int = 10


def golden(topic: str) -> list[bytes]:
    """The messages of today of one topic."""
    return [path.read_bytes() for path in sorted((MESSAGES / topic).glob("*.json"))]


def record(value: bytes, topic: str = "f.x.v1", key: bytes | None = None, headers: Headers = ()) -> Record:
    """A record as an agent gets it."""
    return Record(topic, 0, 7, NOON, key, value, headers)


def junk_headers(data: bytes) -> Headers:
    """The bytes cut into values, under the names that anybody asks for; nothing between two cuts is a null."""
    return [(HEADERS[at % len(HEADERS)], part or None) for at, part in enumerate(data.split(b"|"))]


def one_letter(letter: DeadLetter) -> str:
    """A dead letter, as it would be written."""
    to_record(letter)
    return letter.reason


def feedback(data: bytes) -> str:
    """An event, folded and packed, or one dead letter."""
    reading = read_feedback([record(data)], partitions=1)
    if not reading.arrivals:
        (letter,) = reading.dead_letters
        return one_letter(letter)
    event = reading.arrivals[0].event
    state = after(event)
    assert unpack(pack(state)) == state
    assert decode(encode(event)) == event
    return "read"


def with_headers(data: bytes) -> str:
    """A sound event whose headers are junk."""
    reading = read_feedback([record(SOUND, headers=junk_headers(data))], partitions=1)
    for letter in reading.dead_letters:
        letter_headers(letter, "0")
    assert len(reading.arrivals) + len(reading.dead_letters) == 1
    return one_letter(reading.dead_letters[0]) if reading.dead_letters else "read"


def upload(data: bytes) -> str:
    """An upload or a withdrawal, written again, or one dead letter."""
    one = read_upload(record(data))
    if isinstance(one, DeadLetter):
        return one_letter(one)
    assert videos.decode(videos.encode(one)) == one
    return "read"


def erasure(data: bytes) -> str:
    """An erasure or one dead letter."""
    reading = read_erasures([record(data, "f.erasures.v1")], partitions=1)
    return one_letter(reading.dead_letters[0]) if reading.dead_letters else "read"


def features(data: bytes) -> str:
    """What the encoders wrote, taken into a catalogue, or passed over."""
    value = catalogue_record_of(record(data))
    if value is None:
        return "damaged"
    Catalogue(dim=256).apply([value])
    return "read"


def trends(data: bytes) -> str:
    """Counts, restored and added up, or passed over."""
    part = read_trends(record(data))
    if part is None:
        return "damaged"
    counts = TrendCounts()
    counts.restore(part)
    popular = merge([counts, part])
    Catalogue(dim=1).advance(popular.tick * 1000, popular)
    return "read"


def kept(data: bytes) -> str:
    """Owned state of three kinds: what cannot be read raises what recovery expects."""
    said = []
    for order in (videos.decode_time, lambda data: _marker_order(decode_marker(data)), version_of):
        try:
            outdated_last([record(data, key=b"k")], order)
            order(data)
            said.append("read")
        except UnknownFormat:
            said.append("another release's")  # which ends the worker, and says why
        except (ValueError, RecursionError):
            said.append("damaged")
    return max(said)


def profile(data: bytes) -> str:
    """A profile, folded on, or a ProfileError; as the ranking agent takes it, a query or a dead letter."""
    of = record(data, key=b"ana")
    try:
        state = unpack(data)
        assert version_of(data) == state.version
    except ProfileError as error:
        with pytest.raises(ValueError):
            profile_of(of)
        return one_letter(validation.dead_letter(of, Reason.INTERNAL, str(error)))
    fold(state, liked("ana", "v1"), Origin(None, "t", 0, 8, NOON))
    return "read"


def slate(data: bytes) -> str:
    """A slate as a consumer reads it."""
    try:
        recommendations.decode_recommendation(data)
        return "read"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "damaged"


def envelope(data: bytes) -> str:
    """CloudEvents, structured and binary."""
    said = "read"
    binary = {"ce_specversion": b"1.0", "ce_type": data[:40], "ce_id": data[40:]}
    for headers in ({"content-type": b"application/cloudevents+json"}, binary):
        try:
            cloudevents.unwrap(data, headers)
        except (cloudevents.UnknownVersion, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            said = type(error).__name__
    return said


def dead_letter(data: bytes) -> str:
    """A dead letter whose headers are junk, as `freshet dlq` reads it."""
    letter = from_record(record(data, headers=junk_headers(data)))
    return f"tried {'once' if letter.attempts == 1 else 'more often'}"


def settings_file(data: bytes) -> str:
    """A settings file."""
    TOML.write_bytes(data)
    try:
        load({}, {}, TOML)
        return "read"
    except SettingsError:
        return "refused"
    finally:
        TOML.unlink()


def environment(data: bytes) -> str:
    """Settings from variables: the bytes are lines of NAME=value."""
    lines = [line.partition("=") for line in data.decode("utf-8", "surrogateescape").replace("\0", "").splitlines()]
    try:
        load({}, {f"FRESHET_{name}": value for name, _, value in lines}, None)
        return "read"
    except SettingsError:
        return "refused"


TOML = Path(tempfile.gettempdir()) / f"freshet-fuzz-{os.getpid()}.toml"
SOUND = encode(liked("ana", "v1"))
FEEDBACK = [*golden("feedback.v1"), *map(encode, ONE_OF_EACH)]
CLOUD = [b'{"specversion":"1.0","id":"e-1","type":"a.v1","data":%b}' % SOUND]
JUNK = [b"application/json|1.0|e-17|a.b.v1|t/3/9|decode|3", b"application/cloudevents+json||||||", b"||||t/0/1|late|x"]
FEATURES = [*golden("features.v1"), videos.encode(encoded("v1")), videos.encode(withdrawn("v1"))]
PROFILES = [pack(after(*ONE_OF_EACH[: n + 1])) for n in range(len(ONE_OF_EACH))]
FLOOR = b'{"at_ms":1650000000000,"version":1000007}'
LINES = b"BOOTSTRAP=127.0.0.1:9092,b:1\nPARTITIONS=8\nSLATE_SIZE=20\nLATE_MS=5\nPREFIX=a.\nDATA_DIR=/srv\nPROVIDER=cpu"
FILE = (
    b'bootstrap = "127.0.0.1:9092"\npartitions = 8\nlate_ms = 5\nprefix = "a."\nprovider = "cpu"\nlog_level = "INFO"\n'
)

READERS: dict[str, Reader] = {
    "feedback": Reader(feedback, FEEDBACK + CLOUD, 20),
    "headers": Reader(with_headers, JUNK),
    "uploads": Reader(upload, [*golden("uploads.v1"), *map(videos.encode, (uploaded("v1"), withdrew("v1")))]),
    "erasures": Reader(erasure, [b'{"user_id":"ana","at_ms":1650000000000}', *golden("erasures.v1")]),
    "features": Reader(features, FEATURES),
    "trends": Reader(trends, golden("trends.v1")),
    "kept": Reader(kept, [*FEATURES, *PROFILES, FLOOR]),
    "profiles": Reader(profile, PROFILES),
    "slates": Reader(slate, golden("recommendations.v1")),
    "cloudevents": Reader(envelope, [*CLOUD, *FEEDBACK]),
    "dead-letters": Reader(dead_letter, JUNK),
    "settings": Reader(settings_file, [FILE], 1),
    "environment": Reader(environment, [LINES], 1),
}
"""Whoever reads bytes that somebody else wrote; settings have a smaller share, for each of them takes longer."""


def damage(name: str, seed: int, number: int) -> bytes:
    """The damaged message of this number."""
    return mutated(READERS[name].seeds, Random(f"{seed}/{name}/{number}"))


def fuzz(name: str, seed: int, numbers: range, say: Callable[[str], None]) -> Counter[str]:
    """Count the outcomes of damages by number; a crash is said with the command that repeats it."""
    outcomes: Counter[str] = Counter()
    for number in numbers:
        data = damage(name, seed, number)
        try:
            outcomes[READERS[name].read(data)] += 1
        except Exception:
            outcomes["CRASH"] += 1
            if outcomes["CRASH"] <= 3:
                say(f"{name}: {traceback.format_exc(limit=-3)}\n  on {data[:200]!r} of {len(data)} bytes")
                say(f"  again: python -m tests.fuzz --seed {seed} --only {name} --from {number} --count 1")
    return outcomes


def main() -> int:
    """Damage, read, count; 1 if anything raised."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000, help="damaged messages")
    parser.add_argument("--seed", type=int, default=0, help="what they are drawn from")
    parser.add_argument("--only", choices=sorted(READERS), help="one reader")
    parser.add_argument("--from", type=int, default=0, dest="first", help="number of the first damage")
    args = parser.parse_args()
    logging.disable(logging.CRITICAL)  # a damaged record is said in the log, and here are hundreds of thousands
    names = [args.only] if args.only else list(READERS)
    shares = sum(READERS[name].share for name in names)
    began, crashes = time.monotonic(), 0
    print(f"seed {args.seed}")
    for name in names:
        count = -(-args.count * READERS[name].share // shares)
        outcomes = fuzz(name, args.seed, range(args.first, args.first + count), print)
        crashes += outcomes["CRASH"]
        found = ", ".join(f"{number} {outcome}" for outcome, number in outcomes.most_common())
        print(f"{time.monotonic() - began:6.0f} s  {name:13} {count:8}: {found}", flush=True)
    print(f"{crashes} crashes")
    return 1 if crashes else 0


if __name__ == "__main__":
    sys.exit(main())
