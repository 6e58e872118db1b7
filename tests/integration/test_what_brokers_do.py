"""What happens to topics outside the agents: transactions, deleted records, topics made again, keyless uploads."""

import time
from contextlib import suppress
from pathlib import Path

import pytest
from confluent_kafka import Producer

from ranker.profile.codec import version_of
from schemas.messages import feedback, videos
from schemas.settings.model import Settings
from schemas.topics import FEATURES, FEEDBACK, PROFILES, TOPICS, UPLOADS, Topic
from streams.errors import OperatorError
from streams.kafka import topic_admin
from streams.kafka.records import partition_of
from tests.chaos.topics import lag
from tests.support.events import liked, minute, uploaded, withdrew
from tests.support.system import LIMIT_S, agents, everything, publish, wait_until

pytestmark = pytest.mark.connected

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


PEOPLE = [f"person-{number}" for number in range(30)]


def likes(first: int, count: int) -> list[tuple[str | None, bytes | None]]:
    """Likes without event ids, each of another video, of thirty people in turn."""
    made = [liked(PEOPLE[n % 30], f"v{n}", minute(n)) for n in range(first, first + count)]
    return [(one.user_id, feedback.encode(one)) for one in made]


def make_again(settings: Settings, *topics: Topic) -> None:
    """Delete topics, and make them again as they were."""
    with topic_admin.connected(settings) as admin:
        admin.delete_topics([topic.full(settings.prefix) for topic in topics])
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        with suppress(OperatorError):  # not gone yet
            topic_admin.apply(settings, TOPICS, print)
            if not topic_admin.plan(settings, TOPICS):
                return
        time.sleep(0.2)


def folded(settings: Settings) -> int:
    """Events that the newest profiles hold, all together."""
    newest: dict[bytes, int] = {}
    for record in everything(settings, PROFILES):
        newest[record.key] = max(version_of(record.value), newest.get(record.key, 0))
    return sum(newest.values())


@pytest.mark.parametrize("running", [False, True], ids=["at rest", "while running"])
@pytest.mark.parametrize("count", [150, 1500], ids=["fewer", "more"])
def test_every_event_counts_once_on_a_feedback_topic_that_was_made_again(
    settings: Settings, tmp_path: Path, running: bool, count: int
) -> None:
    with agents(settings, tmp_path, "profiles") as first:
        publish(settings, FEEDBACK, likes(0, 600))
        wait_until("600 are folded", lambda: folded(settings) == 600)
        if running:
            make_again(settings, FEEDBACK)
            publish(settings, FEEDBACK, likes(600, count))
            wait_until("the others are folded too", lambda: folded(settings) >= 600 + count)
            wait_until("all is read", lambda: lag(settings, "profiles", FEEDBACK) == 0)
        said = first.said("profiles")
    if not running:
        make_again(settings, FEEDBACK)
        publish(settings, FEEDBACK, likes(600, count))
        (tmp_path / "again").mkdir()
        with agents(settings, tmp_path / "again", "profiles") as second:
            wait_until("the others are folded too", lambda: folded(settings) >= 600 + count)
            wait_until("all is read", lambda: lag(settings, "profiles", FEEDBACK) == 0)
            said = second.said("profiles")
    assert folded(settings) == 600 + count
    assert "another topic than before" in said
