"""Being forgotten on a real Kafka: what goes, what is refused afterwards, and the proof."""

import json
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from click.testing import Result
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from pydantic import SecretStr
from typer.testing import CliRunner

from ranker.profile.codec import pack, unpack
from ranker.profile.erasure import GAP, coder
from schemas.messages import feedback, videos
from schemas.messages.erasures import Erasure, decode_erasure, decode_marker
from schemas.messages.recommendations import decode_recommendation
from schemas.settings.model import Settings
from schemas.topics import (
    DEAD_LETTERS,
    ERASED,
    ERASURES,
    FEATURES,
    FEEDBACK,
    PEOPLE,
    PROFILES,
    RECOMMENDATIONS,
    Topic,
)
from streams import cli
from streams.kafka.records import partition_of
from streams.local.broker import LocalBroker
from streams.operations.contract.verify import verify
from streams.worker import supervise
from tests.support.command import freshet
from tests.support.events import after, encoded, minute, watched
from tests.support.forked import forked
from tests.support.system import LIMIT_S, agents, everything, publish, slates, unanswered, wait_until
from tests.support.workers import dying_profiles

pytestmark = pytest.mark.connected

VIDEOS = [f"video-{n}" for n in range(10)]
CROWD = [f"person-{n}" for n in range(12)]  # of them somebody lives on each partition
UNTIL = minute(1000)  # what the erasures say
AT_ONCE = {  # what a day does otherwise
    "segment.ms": "100",
    "min.compaction.lag.ms": "0",
    "max.compaction.lag.ms": "1000",
    "min.cleanable.dirty.ratio": "0.0",
    "delete.retention.ms": "0",
}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With a key for erasures; the agents' logs lie in the folder that the proof looks through."""
    return settings.model_copy(update={"erasure_key": SecretStr("a secret")})


@pytest.fixture
def quick_cleaner(broker: LocalBroker) -> Iterator[None]:
    """For the time of a test the broker looks every 0.2 s, and not every 15 s, for what it can compact."""
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as client:
        for pause_ms in ("200", "15000"):
            client.alter_configs([ConfigResource(ConfigResourceType.BROKER, "1", {"log.cleaner.backoff.ms": pause_ms})])
            if pause_ms == "200":
                yield


def watch(settings: Settings, people: Sequence[str], start: int, count: int = 2) -> list[tuple[str, object]]:
    """Each of them watches so many videos, minute after minute; gives the events as the broker has them."""
    told = [watched(who, VIDEOS[n % 10], minute(start + n), event_id=f"e-{who}x{start + n}") for who in people
            for n in range(count)]  # fmt: skip
    sent = publish(settings, FEEDBACK, [(one.user_id, feedback.encode(one)) for one in told])
    return list(zip([one.user_id for one in told], sent, strict=True))


def encode(settings: Settings) -> None:
    """What the encoding agent would make of ten uploads."""
    publish(settings, FEATURES, [(video, videos.encode(encoded(video))) for video in VIDEOS])


def all_answered(settings: Settings, sent: Sequence[tuple[str, object]]) -> None:
    wait_until("every event is answered", lambda: not unanswered(sent, slates(settings)))


def newest(settings: Settings, topic: Topic, user_id: str) -> bytes | None:
    """The last value under a person's key; they must be there."""
    return [one.value for one in everything(settings, topic) if one.key == user_id.encode()][-1]


def refused(settings: Settings) -> list[Any]:
    return [one for one in everything(settings, DEAD_LETTERS) if dict(one.headers)["reason"] == b"erased"]


def reasons(settings: Settings) -> Counter[bytes]:
    return Counter(dict(one.headers)["reason"] for one in everything(settings, DEAD_LETTERS))


def compacted(settings: Settings, *several: Topic) -> None:
    """Have the broker compact these from now on as soon as it can."""
    kind = ConfigResourceType.TOPIC
    with KafkaAdminClient(bootstrap_servers=settings.bootstrap) as client:
        wanted = [ConfigResource(kind, one.full(settings.prefix), configs=one.config() | AT_ONCE) for one in several]
        client.alter_configs(wanted)


def made(settings: Settings, topic: Topic) -> None:
    """Create a topic whose name is only reserved, as an installation may have it."""
    with KafkaAdminClient(bootstrap_servers=settings.bootstrap) as client:
        shape = {"num_partitions": 4, "replication_factor": 1, "configs": topic.config()}
        client.create_topics({topic.full(settings.prefix): shape})
        client.wait_for_topics([topic.full(settings.prefix)])


def close_segments(settings: Settings) -> None:
    """One more record on each partition: only then does the broker close a segment whose time is over."""
    profile = pack(after(watched("x", "v1")))
    names = [next(n for n in (f"other-{i}" for i in range(99)) if partition_of(n.encode(), 4) == p) for p in range(4)]
    for topic, value in ((PROFILES, profile), (RECOMMENDATIONS, None), (PEOPLE, b"{}")):
        publish(settings, topic, [(name, value) for name in names])


def ran(settings: Settings, *arguments: object) -> Result:
    """The command in this process, which has imported everything already."""
    named = {"--bootstrap": settings.bootstrap, "--prefix": settings.prefix, "--data-dir": settings.data_dir}
    common = [str(one) for pair in named.items() for one in pair]
    return CliRunner().invoke(cli.app, ["forget", *map(str, arguments), *common])


def proof(settings: Settings, user_id: str) -> tuple[int, dict[str, dict[str, object]]]:
    """What `forget --prove` says: its status, and each place by its short name."""
    said = ran(settings, "--prove", user_id, "--json")
    assert said.exit_code in (0, 1), said.exception
    places = json.loads(said.stdout)["places"]
    return said.exit_code, {one["place"].removeprefix(settings.prefix): one for one in places}


@pytest.mark.usefixtures("quick_cleaner")
def test_of_an_erased_person_nothing_is_left_but_what_expires(settings: Settings) -> None:
    gone, *others = CROWD
    with agents(settings, settings.data_dir, "profiles", "ranker") as running:
        encode(settings)
        future = {"user_id": others[0], "at_ms": int(time.time() * 1000) + 3_600_000}
        publish(settings, ERASURES, [(others[0], b"{"), (others[0], json.dumps(future).encode())])
        made(settings, PEOPLE)
        publish(settings, PEOPLE, [(gone, b'{"languages":["en"]}')])
        all_answered(settings, watch(settings, CROWD, 0))

        said = ran(settings, gone, "--at-ms", UNTIL, "--json")
        assert said.exit_code == 0, said.exception
        assert set(json.loads(said.stdout)["seconds"]) == {t.full(settings.prefix) for t in (PROFILES, RECOMMENDATIONS)}
        assert [newest(settings, topic, gone) for topic in (PROFILES, RECOMMENDATIONS, PEOPLE)] == [None] * 3

        watch(settings, [gone], 500)
        wait_until("late events are refused", lambda: len(refused(settings)) == 2)
        assert reasons(settings) == {b"decode": 1, b"timestamp": 1, b"erased": 2}
        assert [(one.key, one.value) for one in refused(settings)] == [(None, b"")] * 2
        all_answered(settings, watch(settings, others, 2000))
        assert newest(settings, PROFILES, gone) is None
        assert running.alive()

        status, places = proof(settings, gone)
        assert status == 1  # nothing is compacted yet
        assert "compaction takes them from" in str(places["profiles.v1"]["why"])

    compacted(settings, PROFILES, RECOMMENDATIONS, PEOPLE)
    end = time.monotonic() + LIMIT_S
    while status and time.monotonic() < end:
        close_segments(settings)
        status, places = proof(settings, gone)
    assert status == 0, places
    assert {name: one["hits"] for name, one in places.items() if one["hits"]} == {"feedback.v1": 4, "erasures.v1": 1}
    last_ms = max(one.timestamp for one in everything(settings, FEEDBACK) if one.key == gone.encode())
    assert places["feedback.v1"]["expires_ms"] == last_ms + (FEEDBACK.retention_ms or 0)
    assert not [one for one in everything(settings, ERASED) if gone.encode() in one.key + (one.value or b"")]


def test_whoever_comes_back_is_new_and_no_slate_repeats_an_id(settings: Settings) -> None:
    gone = CROWD[0]
    with agents(settings, settings.data_dir, "profiles", "ranker"):
        encode(settings)
        all_answered(settings, watch(settings, CROWD, 0, count=3))
        for _ in range(2):  # the second changes nothing
            assert ran(settings, gone, "--at-ms", UNTIL).exit_code == 0
        sent = watch(settings, [gone], 2000, count=2)
        all_answered(settings, sent)
        before = newest(settings, PROFILES, gone)
        older = ran(settings, gone, "--at-ms", UNTIL - 1, "--wait-s", 3)
        assert (older.exit_code, older.stdout.startswith("nothing was left to erase")) == (0, True)
        assert newest(settings, PROFILES, gone) == before
    profile = unpack(before or b"")
    assert profile.version == 3 + GAP + 2
    assert len(profile.watches) == 2
    mine = [slate for slate in slates(settings) if slate.user_id == gone]
    versions = [slate.version for slate in mine]
    assert versions == sorted(set(versions))
    assert len({slate.recommendation_id for slate in mine}) == len(mine)
    (status, places) = proof(settings, gone)
    assert status == 1
    assert "no tombstone" in str(places["profiles.v1"]["why"])
    assert [one for one in verify(settings) if one.breaches] == []


def test_a_worker_killed_between_floor_and_tombstone_leaves_nothing_undone(settings: Settings) -> None:
    gone = CROWD[0]
    with agents(settings, settings.data_dir) as running:
        dying = dying_worker(settings)
        watch(settings, CROWD, 0, count=5)
        wait_until("all are folded", lambda: {unpack(v).version for v in last_profiles(settings).values() if v} == {5})
        say(settings, gone, UNTIL)
        watch(settings, [gone], 500)
        assert dying.wait(LIMIT_S) == -signal.SIGKILL
        (marker,) = everything(settings, ERASED)
        assert (marker.key, marker.partition) == (coder("a secret")(gone).encode(), home(gone))
        assert decode_marker(marker.value).at_ms == UNTIL
        assert newest(settings, PROFILES, gone) is not None

        running.start("profiles")
        wait_until("the tombstone is there", lambda: newest(settings, PROFILES, gone) is None)
        wait_until("late events are refused", lambda: len(refused(settings)) >= 2)
        watch(settings, [gone], 2000)
        wait_until("they are back", lambda: bool(newest(settings, PROFILES, gone)))
    assert unpack(newest(settings, PROFILES, gone) or b"").version > decode_marker(marker.value).version
    with KafkaAdminClient(bootstrap_servers=settings.bootstrap) as client:
        assert PEOPLE.full(settings.prefix) not in client.list_topics()  # nobody made it to write a null


def test_a_row_that_a_cut_off_worker_wrote_late_is_buried(settings: Settings) -> None:
    gone = CROWD[0]
    with agents(settings, settings.data_dir, "profiles") as running:
        watch(settings, CROWD, 0)
        wait_until("all are folded", lambda: len(last_profiles(settings)) == len(CROWD))
        row = newest(settings, PROFILES, gone)
        say(settings, gone, UNTIL)
        wait_until("they are erased", lambda: newest(settings, PROFILES, gone) is None)
        publish(settings, PROFILES, [(gone, row)])
        watch(settings, CROWD[1:], 2000)  # the owner's next record shows it that somebody wrote
        wait_until("the row is buried", lambda: newest(settings, PROFILES, gone) is None)
        running.stop()
        publish(settings, PROFILES, [(gone, row)])
        running.start("profiles")
        wait_until("it is buried in recovery", lambda: newest(settings, PROFILES, gone) is None)


def test_a_slate_of_an_erased_person_does_not_leave(settings: Settings) -> None:
    gone, here = CROWD[:2]
    encode(settings)
    say(settings, gone, UNTIL)
    rows = [(who, pack(after(watched(who, "video-0", at_ms)))) for who, at_ms in ((gone, UNTIL), (here, UNTIL))]
    publish(settings, PROFILES, rows)
    with agents(settings, settings.data_dir, "ranker"):  # no profiles agent: no tombstone follows
        wait_until("the other is answered", lambda: here in {slate.user_id for slate in slates(settings)})
        publish(settings, PROFILES, [(gone, pack(after(watched(gone, "video-0", UNTIL + 1))))])
        wait_until("what is newer is answered", lambda: gone in {slate.user_id for slate in slates(settings)})
    answers = [one for one in everything(settings, RECOMMENDATIONS) if one.key == gone.encode()]
    assert [decode_recommendation(one.value).trigger.at_ms for one in answers] == [UNTIL + 1]


def test_without_agents_forget_says_who_is_missing_and_the_erasure_stays(settings: Settings) -> None:
    said = freshet(settings, "forget", CROWD[0], "--wait-s", 1)
    assert said.returncode == 1
    assert "freshet worker profiles" in said.stderr
    assert "Traceback" not in said.stderr
    (record,) = everything(settings, ERASURES)
    assert (record.key, record.partition) == (CROWD[0].encode(), home(CROWD[0]))
    assert abs(decode_erasure(record.value).at_ms - time.time() * 1000) < 60_000


def test_the_proof_finds_a_person_in_an_index_of_files_and_foreign_topics(settings: Settings) -> None:
    (settings.data_dir / "notes.log").write_text("nobody\nthen person-0 came\n", "utf-8")
    publish(settings, FEATURES, [("video-0", videos.encode(encoded("video-0", creator_id="person-0")))])
    status, places = proof(settings, "person-0")
    assert status == 1
    assert "creator" in str(places["features.v1"]["why"])
    assert places[f"{settings.data_dir / 'notes.log'}:2"]["hits"] == 1
    assert proof(settings, "person")[0] == 0


def say(settings: Settings, user_id: str, at_ms: int) -> None:
    publish(settings, ERASURES, [(user_id, feedback.encode(Erasure(user_id=user_id, at_ms=at_ms)))])


def home(user_id: str) -> int:
    return partition_of(user_id.encode(), 4)


def last_profiles(settings: Settings) -> dict[bytes, bytes | None]:
    return {one.key: one.value for one in everything(settings, PROFILES)}


def dying_worker(settings: Settings) -> subprocess.Popen[bytes]:
    """The profiles worker that ends by SIGKILL after its first floor."""
    return forked(dying_profiles.main, [], supervise.environment(settings), settings.data_dir / "dying.log")
