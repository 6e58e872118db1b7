"""What happens to topics outside the agents: transactions, deleted records, topics made again, keyless uploads."""

import asyncio
import re
import signal
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition

from schemas.messages import videos
from schemas.settings.model import Settings
from schemas.topics import FEATURES, FEEDBACK, PROFILES, UPLOADS, Topic
from streams.kafka import topic_admin
from streams.kafka.command_reader import command_reader
from streams.kafka.reader import GrouplessConsumer, groupless, read_to_end
from streams.kafka.records import partition_of
from streams.kafka.stalled import pass_stalled
from streams.logs.digest import live_digest
from streams.worker.health import Status, statuses
from tests.chaos.topics import lag
from tests.support.events import minute, uploaded, withdrew
from tests.support.made_again import PEOPLE, delete_records, folded, likes, make_again
from tests.support.system import LIMIT_S, agents, everything, publish, slates, wait_until

pytestmark = pytest.mark.connected

READY = ("ready", 0)  # state and lag
VIDEOS = [f"video-{number}" for number in range(20)]


def test_a_withdrawal_stays_although_older_uploads_without_a_key_lie_elsewhere(
    settings: Settings, tmp_path: Path
) -> None:
    with agents(settings, tmp_path, "encoder", "encoder"):
        gone = [withdrew(video, minute(10)) for video in VIDEOS]
        publish(settings, UPLOADS, [(one.video_id, videos.encode(one)) for one in gone])
        wait_until("20 are withdrawn", lambda: len(everything(settings, FEATURES)) == len(VIDEOS))
        put_astray(settings, [uploaded(video, minute(1), title="an older upload") for video in VIDEOS])
        wait_until("all is read", lambda: lag(settings, "encoder", UPLOADS) == 0)
    last = {record.key: videos.decode_features(record.value) for record in everything(settings, FEATURES)}
    assert [type(last[video.encode()]) for video in VIDEOS] == [videos.Withdrawn] * len(VIDEOS)


def put_astray(settings: Settings, uploads: list[videos.Upload]) -> None:
    """Write each without a key on the partition after its video's."""
    producer = Producer({"bootstrap.servers": settings.bootstrap})
    for one in uploads:
        wrong = (partition_of(one.video_id.encode(), settings.partitions) + 1) % settings.partitions
        producer.produce(UPLOADS.full(settings.prefix), videos.encode(one), partition=wrong)
    producer.flush()


def test_a_made_up_origin_hides_nothing_of_what_is_sent_on(settings: Settings, tmp_path: Path) -> None:
    name, count = FEEDBACK.full(settings.prefix), settings.partitions
    home = [partition_of(person.encode(), count) for person in PEOPLE]
    producer = Producer({"bootstrap.servers": settings.bootstrap})
    with agents(settings, tmp_path, "profiles"):
        for (key, value), right in zip(likes(range(30)), home, strict=True):
            made_up = f"{name}/{(right + 1) % count}/999999999999"
            producer.produce(name, value, key, partition=right, headers={"freshet-origin": made_up})
        producer.flush()
        wait_until("thirty are folded", lambda: folded(settings) == 30)
        for (key, value), right in zip(likes(range(30, 60)), home, strict=True):
            producer.produce(name, value, key, partition=(right + 1) % count)
        producer.flush()
        wait_until("so are those that were sent on", lambda: folded(settings) == 60)


@pytest.mark.parametrize("running", [False, True], ids=["at rest", "while running"])
@pytest.mark.parametrize("count", [150, 1500], ids=["fewer", "more"])
def test_every_event_counts_once_on_a_feedback_topic_that_was_made_again(
    settings: Settings, tmp_path: Path, running: bool, count: int
) -> None:
    with agents(settings, tmp_path, "profiles") as first:
        publish(settings, FEEDBACK, likes(range(600)))
        wait_until("600 are folded", lambda: folded(settings) == 600)
        if running:
            make_again(settings, FEEDBACK)
            publish(settings, FEEDBACK, likes(range(600, 600 + count)))
            wait_until("the others are folded too", lambda: folded(settings) >= 600 + count)
            wait_until("all is read", lambda: lag(settings, "profiles", FEEDBACK) == 0)
        said = first.said("profiles")
    if not running:
        make_again(settings, FEEDBACK)
        publish(settings, FEEDBACK, likes(range(600, 600 + count)))
        (tmp_path / "again").mkdir()
        with agents(settings, tmp_path / "again", "profiles") as second:
            wait_until("the others are folded too", lambda: folded(settings) >= 600 + count)
            wait_until("all is read", lambda: lag(settings, "profiles", FEEDBACK) == 0)
            said = second.said("profiles")
    assert folded(settings) == 600 + count
    assert "another topic than before" in said


def status_of(settings: Settings) -> Status:
    """The one worker that runs."""
    (status,) = statuses(settings)
    return status


def state_and_lag(settings: Settings) -> tuple[str, int]:
    """Of the worker that runs; nothing of one that begins."""
    found = [(one.state, sum(one.lag.values())) for one in statuses(settings)]
    return found[0] if found else ("", 0)


def test_transactions_of_producers_are_no_lag_and_end_nobody(settings: Settings, tmp_path: Path) -> None:
    settings = settings.model_copy(update={"data_dir": tmp_path})
    name = FEEDBACK.full(settings.prefix)
    producer = Producer({"bootstrap.servers": settings.bootstrap, "transactional.id": settings.prefix})
    producer.init_transactions(60)
    with agents(settings, tmp_path, "profiles") as running:
        for abort in (False, True):
            producer.begin_transaction()
            for key, value in likes(range(6, 12) if abort else range(6)):
                producer.produce(name, value, key)
            producer.abort_transaction() if abort else producer.commit_transaction()
        wait_until("six are folded", lambda: folded(settings) == 6)
        producer.begin_transaction()
        for key, value in likes(range(12, 18)):
            producer.produce(name, value, key)
        producer.flush()
        wait_until("the open transaction is named", lambda: sum(status_of(settings).open_transactions.values()) == 6)
        wait_until("nothing waits, which alone could end it", lambda: state_and_lag(settings) == READY)
        assert running.alive(), running.said("profiles")
        assert folded(settings) == 6
        producer.commit_transaction()
        wait_until("twelve are folded", lambda: folded(settings) == 12)
        wait_until("the group has no lag either", lambda: lag(settings, "profiles", FEEDBACK) == 0)
        assert live_digest(settings)[1] == len({key for key, _ in [*likes(range(6)), *likes(range(12, 18))]})


def test_what_lies_behind_an_open_transaction_waits_for_it_and_is_not_passed_over(settings: Settings) -> None:
    producer = Producer({"bootstrap.servers": settings.bootstrap, "transactional.id": settings.prefix})
    producer.init_transactions(60)
    producer.begin_transaction()
    producer.produce(FEEDBACK.full(settings.prefix), b"in it", b"key", partition=0)
    producer.flush()
    plain = Producer({"bootstrap.servers": settings.bootstrap})
    plain.produce(FEEDBACK.full(settings.prefix), b"behind it", b"key", partition=0)
    plain.flush()
    place = FEEDBACK.full(settings.prefix), 0
    with groupless(settings) as consumer:
        consumer.assign([TopicPartition(*place, 0)])
        assert values_in(consumer, 1) == []
        assert pass_stalled(settings, consumer, place, 2, 0) is None
        producer.commit_transaction()
        read: list[bytes | None] = []
        wait_until("both are read", lambda: len(read.extend(values_in(consumer, 1)) or read) == 2)
    assert read == [b"in it", b"behind it"]


def values_in(consumer: GrouplessConsumer, seconds: float) -> list[bytes | None]:
    """Values of the records that come meanwhile."""
    return [message.value() for message in consumer.consume(10, seconds) if message.error() is None]


def test_records_that_are_deleted_unread_are_a_line_and_reading_goes_on(settings: Settings, tmp_path: Path) -> None:
    settings = settings.model_copy(update={"data_dir": tmp_path})
    with agents(settings, tmp_path, "profiles"):
        publish(settings, FEEDBACK, likes(range(60)))
        wait_until("60 are folded", lambda: folded(settings) == 60)
        wait_until("all is committed", lambda: lag(settings, "profiles", FEEDBACK) == 0)
    publish(settings, FEEDBACK, likes(range(60, 120)))
    delete_records(settings, FEEDBACK)
    (tmp_path / "again").mkdir()
    with agents(settings, tmp_path / "again", "profiles") as running:
        wait_until("it is said", lambda: "were deleted before they were read" in running.said("profiles"))
        wait_until("nothing waits, which alone could end it", lambda: state_and_lag(settings) == READY)
        assert running.alive(), running.said("profiles")
        publish(settings, FEEDBACK, likes(range(120, 180)))
        wait_until("60 more are folded", lambda: folded(settings) == 120)
    lost = re.findall(r"(\d+) records were deleted before they were read", running.said("profiles"))
    assert sum(map(int, lost)) == 60


def test_a_worker_whose_topic_is_grown_says_so_and_ends(settings: Settings, tmp_path: Path) -> None:
    with agents(settings, tmp_path, "profiles") as running:
        publish(settings, FEEDBACK, likes(range(60)))
        wait_until("60 are folded", lambda: folded(settings) == 60)
        with topic_admin.connected(settings) as admin:
            admin.create_partitions({FEEDBACK.full(settings.prefix): 6})
        status = running.running[0][1].wait(LIMIT_S)
        said = running.said("profiles")
    assert status == 1, said
    assert "feedback.v1: partitions is 6, wanted 4" in said


def test_a_topic_is_read_to_its_end_whatever_transactions_leave_there(settings: Settings) -> None:
    name = FEATURES.full(settings.prefix)
    producer = Producer({"bootstrap.servers": settings.bootstrap, "transactional.id": settings.prefix})
    producer.init_transactions(60)
    for value, end in ((b"a", producer.commit_transaction), (b"b", producer.abort_transaction), (b"c", None)):
        producer.begin_transaction()
        for partition in range(settings.partitions):
            producer.produce(name, value, b"key", partition=partition)
        producer.flush()
        if end:
            end()

    async def values() -> list[bytes | None]:
        batches = read_to_end(settings, name, range(settings.partitions))
        return [record.value async for batch in batches for record in batch]

    assert asyncio.run(asyncio.wait_for(values(), LIMIT_S)) == [b"a"] * settings.partitions
    with command_reader(settings) as reader:
        assert [record.value for record in reader.records(name)] == [b"a"] * settings.partitions
    producer.abort_transaction()


@pytest.mark.parametrize("running", [False, True], ids=["at rest", "while running"])
def test_everybody_is_answered_on_a_profiles_topic_that_was_made_again(
    settings: Settings, tmp_path: Path, running: bool
) -> None:
    put_videos(settings, VIDEOS)
    with agents(settings, tmp_path, "profiles", "encoder"), agents(settings, folder_in(tmp_path), "ranker") as ranker:
        publish(settings, FEEDBACK, likes(range(60)))
        wait_until("30 people are answered", lambda: len(answered(settings, 2)) == len(PEOPLE))
        if not running:
            ranker.stop()
        make_again(settings, PROFILES)
        publish(settings, FEEDBACK, likes(range(60, 90)))
        wait_until("30 more are folded", lambda: folded(settings) == 90)
        if not running:
            ranker.start("ranker")
        wait_until("30 people are answered again", lambda: len(answered(settings, 3)) == len(PEOPLE))


def test_what_two_workers_hold_is_kept_when_its_topic_is_made_again_and_its_events_are_gone(
    settings: Settings, tmp_path: Path
) -> None:
    with agents(settings, tmp_path, "profiles") as first, agents(settings, folder_in(tmp_path), "profiles") as second:
        wait_until("both have partitions", lambda: all("recovered" in one.said("profiles") for one in (first, second)))
        publish(settings, FEEDBACK, likes(range(300)))
        wait_until("all are folded", lambda: folded(settings) == 300)
        delete_records(settings, FEEDBACK)
        (_, slow, _) = first.running[0]
        slow.send_signal(signal.SIGSTOP)
        make_again(settings, PROFILES)
        wait_until("the other one knows", lambda: "made again" in second.said("profiles"))
        slow.send_signal(signal.SIGCONT)
        publish(settings, FEEDBACK, likes(range(300, 330)))
        wait_until("what came before counts too", lambda: folded(settings) == 330)


def answered(settings: Settings, version: int) -> set[str]:
    """People who have a slate of this version or a later one."""
    return {slate.user_id for slate in slates(settings) if slate.version >= version}


def folder_in(folder: Path) -> Path:
    """A folder of its own for the logs of more agents."""
    (folder / "more").mkdir()
    return folder / "more"


@pytest.mark.parametrize("topic", [UPLOADS, FEATURES], ids=lambda topic: topic.name)
@pytest.mark.parametrize("running", [False, True], ids=["at rest", "while running"])
def test_every_video_is_in_the_catalogue_after_its_topic_was_made_again(
    settings: Settings, tmp_path: Path, running: bool, topic: Topic
) -> None:
    with agents(settings, tmp_path, "encoder") as encoder:
        put_videos(settings, VIDEOS)
        wait_until("all are encoded", lambda: len(everything(settings, FEATURES)) == len(VIDEOS))
        wait_until("all is committed", lambda: lag(settings, "encoder", UPLOADS) == 0)
        if not running:
            encoder.stop()
        make_again(settings, topic)
        more = [f"another-{n}" for n in range(4 * len(VIDEOS))]
        put_videos(settings, more)
        if not running:
            encoder.start("encoder")
        wanted = {video.encode() for video in (*VIDEOS, *more)}
        wait_until("all are there", lambda: {r.key for r in everything(settings, FEATURES)} >= wanted)


def put_videos(settings: Settings, names: list[str]) -> None:
    """Upload videos of these names."""
    publish(settings, UPLOADS, [(one, videos.encode(uploaded(one, minute(0)))) for one in names])
