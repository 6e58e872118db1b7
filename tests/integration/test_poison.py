"""Whatever bytes a broker can hold: each partition moves on, memory is bounded, and nothing unusable vanishes."""

from collections import Counter
from pathlib import Path

import pyarrow
import pytest
from confluent_kafka import Producer

from ranker.profile.codec import unpack
from schemas.messages import feedback, videos
from schemas.messages.erasures import Erasure, encode
from schemas.settings.model import Settings
from schemas.topics import (
    DEAD_LETTERS,
    ERASURES,
    FEATURES,
    FEEDBACK,
    PROFILES,
    RECOMMENDATIONS,
    TOPICS,
    UPLOADS,
    Topic,
)
from streams.dead_letters.validation import ORIGIN
from streams.kafka.command_reader import command_reader
from streams.kafka.records import partition_of
from tests.fuzz import wire as fuzz
from tests.support import poison, wire
from tests.support.events import NOON, minute, uploaded, watched
from tests.support.system import Agents, agents, everything, publish, wait_until

pytestmark = pytest.mark.connected

ABOVE_REST_MB = 300
HOME = partition_of(b"u1", 4)


def test_poison_between_good_events_stops_nobody(settings: Settings, tmp_path: Path) -> None:
    with agents(settings, tmp_path, "profiles", cold=True) as running:
        put_event(settings, 0)
        wait_until("the first event is in", lambda: events_in(settings) == 1)
        rest_mb = peak_mb(running)
        expected = Counter[int]()
        for number, (name, make) in enumerate(poison.batches(NOON).items(), start=1):
            made = make()
            placed = wire.produce(settings.bootstrap, FEEDBACK.full(settings.prefix), HOME, made.data)
            assert placed.error == 0, name
            expected[placed.offset] = made.dead_letters
            put_event(settings, number)
            wait_until(f"the event behind: {name}", lambda: events_in(settings) == number + 1)  # noqa: B023
        assert Counter(place_of(letter) for letter in everything(settings, DEAD_LETTERS)) == expected
        assert peak_mb(running) < rest_mb + ABOVE_REST_MB
        assert running.alive()


def test_what_the_agents_read_back_may_hold_poison_too(settings: Settings, tmp_path: Path) -> None:
    """Recovery, the shared state and each command move on behind it."""
    publish(settings, UPLOADS, [("v1", videos.encode(uploaded("v1", title="The harbour")))])
    put_poison(settings, TOPICS)
    with agents(settings, tmp_path, "profiles", "encoder", "ranker") as running:
        for topic in TOPICS:
            put_poison(settings, [topic])
        put_event(settings, 0)
        publish(settings, UPLOADS, [("v2", videos.encode(uploaded("v2", title="The kitchen")))])
        wait_until("a slate is made", lambda: any(one.value for one in everything(settings, RECOMMENDATIONS)))
        wait_until("the second video is encoded", lambda: b"v2" in {one.key for one in everything(settings, FEATURES)})
        publish(settings, ERASURES, [("u1", encode(Erasure(user_id="u1", at_ms=minute(1))))])
        wait_until("the person is erased", lambda: everything(settings, PROFILES)[-1].value is None)
        assert running.alive()
    with command_reader(settings) as reader:
        for topic in TOPICS:
            list(reader.records(topic.full(settings.prefix)))


def test_a_made_up_place_of_a_partition_that_there_is_not_stops_nobody(settings: Settings, tmp_path: Path) -> None:
    name, away = FEEDBACK.full(settings.prefix), (HOME + 1) % 4
    places = [(4, 0), (999_999_999, 7), (HOME, 0), (away, 999_999_999), (away, 0)]
    producer = Producer({"bootstrap.servers": settings.bootstrap})
    with agents(settings, tmp_path, "profiles") as running:
        for number, (partition, offset) in enumerate(places):
            event = feedback.encode(watched("u1", "v1", minute(number), event_id=f"e-{number}"))
            place = f"{name}/{partition}/{offset}".encode()
            producer.produce(name, event, b"u1", HOME, headers=[(ORIGIN, place)])
            producer.flush()  # each in a poll of its own: the broker answers at least for what else it is asked for
            wait_until("the event counts", lambda: events_in(settings) == number + 1)  # noqa: B023
        assert running.alive()


@pytest.mark.parametrize("megabytes", [16, 24, 31])
def test_a_batch_that_unpacks_to_less_than_32_mib_is_read(settings: Settings, megabytes: int) -> None:
    """As a producer packs it, which does not say how large it unpacks."""
    name, count = FEEDBACK.full(settings.prefix), megabytes * poison.MEGABYTE // 60_100
    sizes = {"batch.size": 2**26, "message.max.bytes": 2**26, "queue.buffering.max.kbytes": 2**18}
    producer = Producer(
        {"bootstrap.servers": settings.bootstrap, "linger.ms": 5000, "compression.type": "zstd", **sizes}
    )
    for number in range(count):
        producer.produce(name, b"%d" % number + bytes(60_000), b"u1")
    assert producer.flush(60) == 0
    with command_reader(settings) as reader:
        assert sum(1 for _ in reader.records(name)) == count


def test_batches_damaged_at_the_wire_come_to_dead_letters(settings: Settings, tmp_path: Path) -> None:
    """One of them stops the client without a word. The chaos scenario K21 sends ten thousand."""
    with agents(settings, tmp_path, "profiles") as running:
        assert fuzz.problems(settings, fuzz.send(settings, 220, seed=3)) == []
        assert running.alive()


def test_a_batch_that_is_torn_in_the_middle_counts_up_to_there_and_the_rest_is_passed_over(
    settings: Settings, tmp_path: Path
) -> None:
    """The client hands out what lies before the torn record, and then says nothing."""
    event = wire.Raw(feedback.encode(watched("u1", "v0", minute(0))), b"u1")
    first, torn, *others = (wire.record(event, number) for number in range(5))
    torn = wire.varint(30) + torn[len(wire.varint(len(torn))) :]  # it says that it is shorter than it is
    packed = pyarrow.compress(b"".join([first, torn, *others]), codec="zstd", asbytes=True)
    with agents(settings, tmp_path, "profiles") as running:
        data = wire.batch(packed, 5, at_ms=NOON, attributes=wire.ZSTD)
        placed = wire.produce(settings.bootstrap, FEEDBACK.full(settings.prefix), HOME, data)
        assert placed == (0, 0)
        put_event(settings, 1)
        wait_until("both events are in", lambda: events_in(settings) == 2)
        assert fuzz.offsets_of(everything(settings, DEAD_LETTERS)) == {1: 1, 2: 1, 3: 1, 4: 1}
        assert running.alive()


def put_event(settings: Settings, number: int) -> None:
    publish(settings, FEEDBACK, [("u1", feedback.encode(watched("u1", f"v{number}", minute(number))))])


def put_poison(settings: Settings, topics: tuple[Topic, ...] | list[Topic]) -> None:
    """A header's name that is not UTF-8, and a batch that the client refuses, on the person's partition of each."""
    for topic in topics:
        name = topic.full(settings.prefix)
        wire.produce(settings.bootstrap, name, HOME, wire.plain([wire.Raw(b"{", b"x", poison.BAD_NAME)], NOON))
        wire.produce(settings.bootstrap, name, HOME, poison.packed([poison.zeros(120)], "zstd", NOON))


def events_in(settings: Settings) -> int:
    """How many events the newest profile has taken in."""
    values = [record.value for record in everything(settings, PROFILES)]
    return unpack(values[-1]).version if values else 0


def place_of(letter: object) -> int:
    return int(dict(letter.headers)["offset"])  # type: ignore[attr-defined]


def peak_mb(running: Agents) -> int:
    """The most memory that the first worker has had so far."""
    status = Path(f"/proc/{running.running[0][1].pid}/status").read_text()
    (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(peak) // 1024
