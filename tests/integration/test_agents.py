"""The agents on a real Kafka: what goes in is answered, and what cannot be used has its reason."""

import socket
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import Producer
from msgspec.structs import replace

from ranker.profile.codec import state_digest, unpack
from ranker.profile.fold import Arrival
from schemas.messages import feedback, videos
from schemas.messages.fields import DAY_MS
from schemas.settings.model import Settings
from schemas.topics import DEAD_LETTERS, FEATURES, FEEDBACK, PROFILES, RECOMMENDATIONS, UPLOADS
from streams.dead_letters.validation import ORIGIN
from streams.kafka.records import partition_of
from streams.logs.digest import live_digest
from tests.support.events import fold_all, minute, uploaded, watched, withdrew
from tests.support.hostile_records import RECORDS
from tests.support.system import LIMIT_S, Agents, agents, everything, publish, slates, unanswered, wait_until

pytestmark = pytest.mark.connected

WORDS = ["harbour", "kitchen", "violin", "glacier", "saddle", "lantern", "orchard", "tunnel", "marble", "compass"]
PEOPLE = [f"person-{number}" for number in range(30)]
VIDEOS = [f"video-{number}" for number in range(40)]


@dataclass
class System:
    """A broker with its topics, and the agents that a test starts."""

    settings: Settings
    folder: Path


@pytest.fixture
def system(settings: Settings, tmp_path: Path) -> System:
    """Topics of the test's own on the session's broker."""
    return System(settings, tmp_path)


def put_uploads(settings: Settings) -> None:
    titles = [f"The {WORDS[n % 10]} and the {WORDS[n // 10]}" for n in range(len(VIDEOS))]
    made = [uploaded(video, title=title) for video, title in zip(VIDEOS, titles, strict=True)]
    publish(settings, UPLOADS, [(one.video_id, videos.encode(one)) for one in made])


def event_of(number: int) -> feedback.Watch:
    return watched(PEOPLE[number % 30], VIDEOS[number * 7 % 40], minute(number), event_id=f"e-{number}")


def put_events(settings: Settings, count: int, start: int = 0) -> list[tuple[str, object]]:
    """Each person watches on; gives each event's person with the place that the broker gave it."""
    made = [event_of(n) for n in range(start, start + count)]
    sent = publish(settings, FEEDBACK, [(one.user_id, feedback.encode(one)) for one in made])
    return list(zip([one.user_id for one in made], sent, strict=True))


def all_answered(settings: Settings, sent: list[tuple[str, object]]) -> None:
    wait_until("every event is answered", lambda: not unanswered(sent, slates(settings)))


def test_every_event_is_answered_by_a_slate_of_unseen_videos(system: System) -> None:
    with agents(system.settings, system.folder, "profiles", "encoder", "ranker", cold=True):
        put_uploads(system.settings)
        wait_until("the videos are encoded", lambda: len(everything(system.settings, FEATURES)) == len(VIDEOS))
        sent = put_events(system.settings, 120)
        all_answered(system.settings, sent)
    for slate in slates(system.settings):
        seen = {VIDEOS[n * 7 % 40] for n in range(120) if PEOPLE[n % 30] == slate.user_id and n < 30 * slate.version}
        assert [item.rank for item in slate.items] == list(range(1, len(slate.items) + 1))
        assert not seen & {item.video_id for item in slate.items}
        assert slate.trigger.topic == FEEDBACK.full(system.settings.prefix)
    assert not everything(system.settings, DEAD_LETTERS)


def test_a_withdrawn_video_leaves_the_slates(system: System) -> None:
    with agents(system.settings, system.folder, "profiles", "encoder", "ranker"):
        put_uploads(system.settings)
        all_answered(system.settings, put_events(system.settings, 30))
        again, sign = uploaded(VIDEOS[5], title="Sent late", at_ms=minute(5)), uploaded("sign", title="Read by now")
        withdrawal = withdrew(VIDEOS[5], minute(10_000))
        changes = [(VIDEOS[5], videos.encode(one)) for one in (withdrawal, again)]
        publish(system.settings, UPLOADS, [*changes, *same_partition(changes[0][0], sign)])
        wait_until("the sign is encoded", lambda: newest_features(system.settings).get("sign") == "encoded")
        assert newest_features(system.settings)[VIDEOS[5]] == "withdrawn"
        all_answered(system.settings, put_events(system.settings, 1, start=100))  # a moment for the ranker to read it
        sent = put_events(system.settings, 30, start=200)
        all_answered(system.settings, sent)
        late = [
            slate for slate in slates(system.settings) if slate.trigger.event_id in {f"e-{n}" for n in range(200, 230)}
        ]
    assert late
    assert all(item.video_id != VIDEOS[5] for slate in late for item in slate.items)


def test_the_encoder_says_a_videos_language_and_until_when_it_is_limited(system: System) -> None:
    settings = system.settings.model_copy(update={"limit_days": 3})
    rude = uploaded("rude", title="The ugly sweater")  # of a toxicity between the two thresholds
    with agents(settings, system.folder, "encoder"):
        publish(settings, UPLOADS, [(rude.video_id, videos.encode(rude))])
        wait_until("it is encoded", lambda: "rude" in newest_features(settings))
    [record] = everything(settings, FEATURES)
    video = videos.decode_features(record.value)
    assert isinstance(video, videos.Encoded) and "safety:limited" in video.labels
    assert video.language == "en"
    assert video.expires == {"safety:limited": rude.at_ms + 3 * DAY_MS}


def same_partition(key: str, upload: videos.Upload) -> list[tuple[str, bytes]]:
    """An upload that the encoder reads after what has this key: on any other partition it might come before."""
    names = (f"{upload.video_id}-{n}" for n in range(1000))
    name = next(n for n in names if partition_of(n.encode(), 4) == partition_of(key.encode(), 4))
    return [(name, videos.encode(replace(upload, video_id=name)))]


def newest_features(settings: Settings) -> dict[str, str]:
    """Kind of the newest record of each video; the sign under its short name."""
    newest = {r.key.decode(): videos.decode_features(r.value) for r in everything(settings, FEATURES)}
    return {key.split("-")[0] if key.startswith("sign") else key: kind_of(one) for key, one in newest.items()}


def kind_of(one: videos.CatalogueRecord) -> str:
    return str(one.__struct_config__.tag)


def test_hostile_records_become_dead_letters_and_their_neighbours_go_on(system: System) -> None:
    good = [watched(PEOPLE[n % 30], VIDEOS[n % 40], minute(n), event_id=f"e-{n}") for n in range(len(RECORDS))]
    with agents(system.settings, system.folder, "profiles", "encoder", "ranker") as running:
        put_uploads(system.settings)
        mixed = [
            record
            for one, hostile in zip(good, RECORDS, strict=True)
            for record in ((one.user_id, feedback.encode(one)), (hostile.key, hostile.value))
        ]
        sent = publish(system.settings, FEEDBACK, mixed)[::2]
        all_answered(system.settings, list(zip([one.user_id for one in good], sent, strict=True)))
        wait_until("every letter is there", lambda: len(everything(system.settings, DEAD_LETTERS)) >= len(RECORDS))
        assert running.alive()
    letters = Counter(dict(record.headers)["reason"].decode() for record in everything(system.settings, DEAD_LETTERS))
    assert letters == Counter(hostile.reason for hostile in RECORDS)
    assert len(RECORDS) == 1000


@pytest.mark.parametrize("codec", ["gzip", "lz4", "snappy", "zstd"])
def test_compressed_batches_are_read(system: System, codec: str) -> None:
    producer = Producer(
        {
            "bootstrap.servers": system.settings.bootstrap,
            "compression.type": codec,
            "partitioner": "murmur2_random",
            "linger.ms": 50,
        }
    )
    with agents(system.settings, system.folder, "profiles"):
        for n in range(100):
            event = watched(PEOPLE[n % 30], VIDEOS[n % 40], minute(n), event_id=f"e-{n}")
            producer.produce(FEEDBACK.full(system.settings.prefix), feedback.encode(event), event.user_id)
        producer.flush()
        wait_until("100 events are folded", lambda: folded(system.settings) == 100)


def folded(settings: Settings) -> int:
    """How many events the newest profiles have taken in."""
    newest = {record.key: record.value for record in everything(settings, PROFILES)}
    return sum(unpack(value).version for value in newest.values())


def test_events_on_a_wrong_partition_are_sent_on_and_counted_once(system: System) -> None:
    crc32 = Producer({"bootstrap.servers": system.settings.bootstrap, "partitioner": "consistent_random"})
    name = FEEDBACK.full(system.settings.prefix)
    with agents(system.settings, system.folder, "profiles"):
        for n in range(60):
            event = watched(PEOPLE[n % 30], VIDEOS[n % 40], minute(n))
            crc32.produce(name, feedback.encode(event), event.user_id if n % 2 else None)
        crc32.flush()
        wait_until("60 events are folded", lambda: folded(system.settings) == 60)
    for record in everything(system.settings, PROFILES):
        assert record.partition == partition_of(record.key, system.settings.partitions)
    again = [record for record in everything(system.settings, FEEDBACK) if ORIGIN in dict(record.headers)]
    assert again


def test_two_rankers_share_the_people_and_each_knows_every_video(system: System) -> None:
    with agents(system.settings, system.folder, "profiles", "encoder", "ranker", "ranker") as running:
        put_uploads(system.settings)
        wait_until("all is encoded", lambda: len(everything(system.settings, FEATURES)) == len(VIDEOS))
        all_answered(system.settings, put_events(system.settings, 60))
        both_own_some(running)
        sent = put_events(system.settings, 300, start=1000)
        all_answered(system.settings, sent)
    recommended = {item.video_id for slate in slates(system.settings) for item in slate.items}
    assert recommended == set(VIDEOS)
    per_partition = Counter(record.partition for record in everything(system.settings, RECOMMENDATIONS))
    assert set(per_partition) == {partition_of(person.encode(), 4) for person in PEOPLE}


def both_own_some(running: Agents) -> None:
    """Wait until each of the two rankers has said that it owns partitions."""
    logs = [log for name, _, log in running.running if name == "ranker"]
    wait_until("both rankers own partitions", lambda: all("2 partitions" in log.read_text("utf-8") for log in logs))


def test_a_killed_profiles_agent_comes_back_with_its_state(system: System) -> None:
    with agents(system.settings, system.folder) as running:
        first = running.start("profiles")
        put_events(system.settings, 200)
        wait_until("something is folded", lambda: folded(system.settings) > 0)
        first.kill()
        first.wait()
        put_events(system.settings, 100, start=200)
        running.start("profiles")
        wait_until("300 events are folded", lambda: folded(system.settings) == 300)
    sent = [(event_of(n), n) for n in range(300)]
    expected = fold_all({}, [Arrival(event, "", 0, n) for event, n in sent], system.settings.late_ms).changed
    assert live_digest(system.settings) == (state_digest(expected.items()), 30)


def test_a_worker_waits_for_its_broker_by_name_and_gives_up(tmp_path: Path) -> None:
    settings = Settings(bootstrap="127.0.0.1:9", broker_wait_s=1, data_dir=tmp_path)
    with agents(settings, tmp_path) as running:
        status = running.start("profiles").wait(LIMIT_S)
    assert status not in (0, None)
    assert "127.0.0.1:9" in running.said("profiles")
    assert "Traceback" not in running.said("profiles")


def test_an_encoder_without_models_refuses_to_start_in_one_sentence(system: System, tmp_path: Path) -> None:
    settings = system.settings.model_copy(update={"cache_dir": tmp_path / "empty"})
    with agents(settings, tmp_path) as running:
        status = running.start("encoder").wait(LIMIT_S)
    assert status == 2
    assert "freshet export" in running.said("encoder")
    assert "Traceback" not in running.said("encoder")


def test_an_upload_of_text_waits_for_no_media_host_and_media_that_were_not_read_are_asked_for_again(
    system: System,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connections are taken by the system, and nobody answers
        origin = f"http://127.0.0.1:{silent.getsockname()[1]}"
        patient = system.settings.model_copy(update={"media_hosts": origin, "media_s": 3600.0})
        slow = [uploaded(f"slow-{at}", title="A film", media_uri=f"{origin}/v.mp4") for at in range(12)]
        texts = [uploaded(f"text-{at}", title="A text") for at in range(5)]
        publish(patient, UPLOADS, [(one.video_id, videos.encode(one)) for one in (*slow, *texts)])
        with agents(patient, system.folder, "encoder"):
            wait_until("the texts are encoded", lambda: len(everything(patient, FEATURES)) >= len(texts))
            assert {one.key.decode() for one in everything(patient, FEATURES)} == {one.video_id for one in texts}
            publish(patient, UPLOADS, [("late", videos.encode(uploaded("late", title="Another text")))])
            wait_until("so is a later one", lambda: len(everything(patient, FEATURES)) > len(texts))
        hasty = patient.model_copy(update={"media_s": 1.0})
        with agents(hasty, system.folder, "encoder"):
            wanted = {one.video_id for one in (*slow, *texts)} | {"late"}
            wait_until("all are encoded", lambda: {one.key.decode() for one in everything(hasty, FEATURES)} == wanted)
        letters = everything(hasty, DEAD_LETTERS)
        assert sorted(one.key.decode() for one in letters) == sorted(one.video_id for one in slow)
