"""The learner on a real Kafka: what people do is learned, ranked by, and learned once whoever is killed."""

import os
import signal
from itertools import takewhile
from pathlib import Path

import msgspec
import pytest

from ranker.learning.blocks import Block, Manifest, manifest_of
from ranker.learning.learner import Learner
from ranker.learning.parameters import Parameters
from ranker.learning.publication import MANIFEST
from ranker.learning.storage import SHAPE
from ranker.profile.example import decode_examples, joined
from schemas.messages import feedback, videos
from schemas.messages.feedback import Watch
from schemas.settings.model import Settings
from schemas.topics import DEAD_LETTERS, EXAMPLES, FEATURES, FEEDBACK, PROFILES, UPLOADS, WEIGHTS
from streams.kafka.records import Record
from streams.learning.facts import VideoFactsState
from streams.ranking.published_parameters import TAKEOVER
from streams.worker.health import statuses
from tests.integration.test_forget import newest, say, watch
from tests.support.events import encoded, minute, uploaded, watched
from tests.support.learning import content, read_back
from tests.support.system import Agents, agents, everything, publish, slates, unanswered, wait_until

pytestmark = pytest.mark.connected

VIDEOS = [f"video-{number}" for number in range(30)]
EVENTS = 600


def events(start: int, end: int) -> list[Watch]:
    """Even videos are finished, odd ones are left at once."""
    found = []
    for n in range(start, end):
        number = n * 7 % len(VIDEOS)
        of = watched(f"person-{n % 40}", VIDEOS[number], minute(n), watched_ms=(20_000, 900)[number % 2])
        found.append(of)
    return found


def put(settings: Settings, start: int, end: int) -> list[tuple[str, object]]:
    made = events(start, end)
    sent = publish(settings, FEEDBACK, [(one.user_id, feedback.encode(one)) for one in made])
    return [*zip([one.user_id for one in made], sent, strict=True)]


def put_uploads(settings: Settings) -> None:
    made = [uploaded(video, title=f"Number {video}", creator_id=f"by-{video[-1]}") for video in VIDEOS]
    publish(settings, UPLOADS, [(one.video_id, videos.encode(one)) for one in made])
    wait_until("the videos are encoded", lambda: len(everything(settings, FEATURES)) >= len(VIDEOS))


def log_of(settings: Settings) -> list[tuple[str, bytes]]:
    records = everything(settings, WEIGHTS)
    found = [((one.key or b"").decode(), one.value or b"") for one in records]
    return [(key, value) for key, value in found if key != TAKEOVER]


def manifests(settings: Settings) -> list[Manifest]:
    return [manifest_of(value, SHAPE) for key, value in log_of(settings) if key == MANIFEST]


def learned(settings: Settings) -> int:
    return int(read_back(log_of(settings)).parameters.totals[0])


def kill(running: Agents, name: str) -> None:
    process = next(one for of, one, _ in reversed(running.running) if of == name)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def relearned(settings: Settings) -> Parameters:
    """What the recorded examples come to, learned in the recorded order by the recorded manifests."""
    facts = VideoFactsState()
    facts.apply(everything(settings, FEATURES))
    parameters = Parameters()
    left = [decode_examples(one.value or b"") for one in everything(settings, EXAMPLES)]
    known: dict[int, int] = {}
    for manifest in manifests(settings):
        learner = Learner(parameters, facts.facts)
        ends = manifest.learned
        now = [*takewhile(lambda part, ends=ends: part.examples[-1].place <= ends.get(part.partition, -1), left)]
        left = left[len(now) :]
        for part in now:
            new = [one for one in part.examples if one.place > known.get(part.partition, -1)]
            known[part.partition] = max(known.get(part.partition, -1), part.examples[-1].place)
            for one in joined(new):
                [*learner.take(f"{part.partition}/{one.place}", one)]
        [*learner.close()]
    return parameters


def test_what_people_do_is_learned_and_ranked_by(settings: Settings, tmp_path: Path) -> None:
    with agents(settings, tmp_path, "profiles", "encoder", "ranker", "learner"):
        put_uploads(settings)
        put(settings, 0, EVENTS)
        wait_until("all is learned", lambda: learned(settings) == EVENTS)
        wait_until(
            "its status tells how good it is", lambda: any("auc_finish" in one.quality for one in statuses(settings))
        )
        number = manifests(settings)[-1].number
        sent = put(settings, EVENTS, EVENTS + 40)
        wait_until("all is answered", lambda: not unanswered(sent, slates(settings)))
        wait_until("all is learned", lambda: learned(settings) == EVENTS + 40)
    newest = {slate.user_id: slate for slate in slates(settings)}
    versions = {int(slate.models["ranker"].split("-")[-1]) for slate in newest.values()}
    assert max(versions) >= number
    finished = [n for slate in newest.values() for n, item in enumerate(slate.items) if int(item.video_id[6:]) % 2 == 0]
    others = [n for slate in newest.values() for n, item in enumerate(slate.items) if int(item.video_id[6:]) % 2]
    assert sum(finished) / len(finished) < sum(others) / len(others)  # ranks of what people finish
    assert content(relearned(settings)) == content(read_back(log_of(settings)).parameters)
    assert not everything(settings, DEAD_LETTERS)


def test_a_learner_that_is_killed_learns_nothing_twice_and_another_one_goes_on(
    settings: Settings, tmp_path: Path
) -> None:
    with agents(settings, tmp_path, "profiles", "encoder", "learner", "learner") as running:
        put_uploads(settings)
        for turn in range(3):
            put(settings, turn * 200, turn * 200 + 200)
            wait_until("some is learned", lambda after=turn * 200: learned(settings) > after)
            kill(running, "learner")
            running.start("learner")
            if turn == 1:
                kill(running, "profiles")
                running.start("profiles")
        wait_until("all is learned", lambda: learned(settings) >= EVENTS)
        put(settings, EVENTS, EVENTS + 10)
        wait_until("what comes then is learned", lambda: learned(settings) >= EVENTS + 10)
    assert learned(settings) == EVENTS + 10
    assert content(relearned(settings)) == content(read_back(log_of(settings)).parameters)


def test_what_is_learned_from_a_person_names_them_nowhere_and_an_erasure_leaves_it(
    settings: Settings, tmp_path: Path
) -> None:
    """A person who uploads too is in the facts of their videos, by which is learned: beside these there is no trace."""
    gone, maker = "person-7-of-this-test", "maker-of-this-test"
    with agents(settings, tmp_path, "profiles", "learner"):
        made = [encoded(video, creator_id=maker) for video in VIDEOS]
        publish(settings, FEATURES, [(one.video_id, videos.encode(one)) for one in made])
        watch(settings, [gone, maker, "somebody"], 0, count=20)
        wait_until("all is learned", lambda: learned(settings) == 60)
        for user_id in (gone, maker):
            say(settings, user_id, minute(100))
        wait_until("they are erased", lambda: [newest(settings, PROFILES, one) for one in (gone, maker)] == [None] * 2)
        watch(settings, [gone, "somebody"], 50, count=5)  # before the erasure: of one of them nothing comes
        wait_until("what comes of others is learned", lambda: learned(settings) == 65)
    both = [*everything(settings, EXAMPLES), *everything(settings, WEIGHTS)]
    assert [one for one in both if gone in traces_of(one)] == []
    assert [one for one in everything(settings, EXAMPLES) if maker in traces_of(one)] == []
    named = {key for _, value in log_of(settings) for key in block_keys(value) if maker in key}
    assert named == {maker}  # the key of a creator, and no other


def traces_of(record: Record) -> str:
    """All that a record holds, as text."""
    headers = b"".join(name.encode() + (value or b"") for name, value in record.headers)
    return b" ".join([record.key or b"", record.value or b"", headers]).decode("latin-1")


def block_keys(value: bytes) -> list[str]:
    """The keys that a record of weights.v1 holds, if it is a block."""
    try:
        return msgspec.msgpack.decode(value, type=Block).keys
    except msgspec.DecodeError:
        return []
