"""What happens to topics outside the agents: transactions, deleted records, topics made again, keyless uploads."""

from pathlib import Path

import pytest
from confluent_kafka import Producer

from schemas.messages import videos
from schemas.settings.model import Settings
from schemas.topics import FEATURES, UPLOADS
from streams.kafka.records import partition_of
from tests.chaos.topics import lag
from tests.support.events import minute, uploaded, withdrew
from tests.support.system import agents, everything, publish, wait_until

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
