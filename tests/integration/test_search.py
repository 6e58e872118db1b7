"""The commands that ask about the catalogue, against a real Kafka."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import pytest
from msgspec.structs import replace

from encoders.base import Content
from encoders.embedder import VideoEmbedder
from encoders.media.sandbox_client import MediaReader
from ranker.catalogue.entry import LIMITED
from ranker.profile.codec import pack
from ranker.simulation.world import simulated_log
from schemas.messages import feedback, videos
from schemas.messages.erasures import Erasure
from schemas.messages.feedback import Feedback
from schemas.messages.fields import DAY_MS
from schemas.messages.videos import Encoded, Upload, Withdrawn
from schemas.settings.model import Settings
from schemas.topics import ERASURES, FEATURES, FEEDBACK, PROFILES
from streams.local.broker import LocalBroker
from streams.operations.snapshot import read_stored_library, wish_of
from streams.operations.watch_history import read_watched
from streams.worker import supervise
from tests.support.clips import clip
from tests.support.command import LIMIT_S, freshet
from tests.support.events import NOON, after, liked, uploaded
from tests.support.qdrant_stub import QdrantStub, aside, indexed
from tests.support.system import agents, everything, own_topics, publish, wait_until

pytestmark = [pytest.mark.connected]

IN_2090 = 3_786_912_000_000
TITLES = {
    "cats-1": "Kittens discover the garden",
    "cats-2": "My old cat learns to swim",
    "soup": "Tomato soup in half an hour",
    "bread": "How to bake sourdough bread",
    "goal": "The goal of the season in extra time",
}


@pytest.fixture(scope="module")
def settings(
    broker: LocalBroker, embedder: VideoEmbedder, reader: MediaReader, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    made = own_topics(broker.bootstrap, tmp_path_factory.mktemp("questions"), __name__)
    publish(made, FEATURES, [(one.video_id, videos.encode(one)) for one in catalogue(embedder, reader)])
    ana = after(liked("ana", "cats-1"))
    publish(made, PROFILES, [("ana", pack(ana))])
    return made


def catalogue(embedder: VideoEmbedder, reader: MediaReader) -> list[Encoded | Withdrawn]:
    """Five videos by their titles, one uploaded twice with pictures, two limited, one only until NOON, one dropped."""
    media = reader.read(clip(seconds=1))
    content = Content(frames=media.frames, sound=media.sound)
    uploads = [uploaded(name, title=title, language="en") for name, title in TITLES.items()]
    uploads.append(uploaded("stolen", NOON + 1, title="mine", language="de"))
    contents = [content if one.video_id in ("goal", "stolen") else None for one in uploads]
    made = embedder.features(uploads, contents)
    bread = next(one for one in made if one.video_id == "bread")
    assert isinstance(bread, Encoded)
    limited = replace(bread, at_ms=NOON + 2, labels={"safety:nudity": 0.5, LIMITED: 1.0}, expires={LIMITED: IN_2090})
    made += [limited, replace(limited, video_id="cake", expires={LIMITED: NOON})]
    return [*made, Withdrawn(video_id="bad", at_ms=NOON, reason="safety: toxicity 0.99")]


def asked(settings: Settings, *arguments: object) -> list[dict[str, Any]]:
    ran = freshet(settings, *arguments, "--json")
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [one["video_id"] for one in found]


def test_a_search_finds_by_meaning_and_keeps_to_a_language(settings: Settings) -> None:
    found = asked(settings, "search", "young pets outdoors", "--many", 2)
    assert ids(found) == ["cats-1", "cats-2"] and found[0]["score"] > found[1]["score"]
    assert "vectors" not in found[0]
    assert ids(asked(settings, "search", "anything", "--language", "de")) == ["stolen"]


def test_similar_videos_by_text_and_by_picture(settings: Settings) -> None:
    assert ids(asked(settings, "similar", "cats-1", "--by", "text", "-k", 1)) == ["cats-2"]
    assert ids(asked(settings, "similar", "goal", "--by", "image")) == ["stolen"]
    ran = freshet(settings, "similar", "soup", "--by", "audio")
    assert ran.returncode == 1 and "has no audio vector" in ran.stderr and "Traceback" not in ran.stderr
    assert "it has: fused, text." in ran.stderr
    assert "No video 'nothing'" in freshet(settings, "similar", "nothing").stderr


def test_a_person_and_a_video_are_explained(settings: Settings) -> None:
    (shown,) = asked(settings, "explain", "ana", "cats-2")
    assert shown["item"]["rank"] == 1 and shown["sources"][0] == "near_recent"
    assert next(iter(shown["contributions"])) == "similar"
    (seen,) = asked(settings, "explain", "ana", "cats-1")
    assert seen["summary"] == "cats-1 was rejected by the filter unseen."
    ran = freshet(settings, "explain", "ana", "cats-2")
    assert ran.stdout.splitlines()[0].startswith("cats-2 has rank 1: returned by near_recent")
    assert "reason: similar_to" in ran.stdout
    assert re.search(r"^the person \w+ cats-1 at 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC$", ran.stdout, re.MULTILINE)
    ran = freshet(settings, "explain", "nobody", "cats-2")
    assert ran.returncode == 1 and "Nothing is known of 'nobody'" in ran.stderr


QUESTIONS = (
    ("search", "young pets outdoors", "--many", 3),
    ("search", "anything", "--language", "de"),
    ("similar", "cats-1"),
    ("similar", "cats-1", "--by", "text", "--language", "en"),
    ("similar", "goal", "--by", "image"),
    ("similar", "goal", "--by", "audio"),
    ("similar", "soup", "--by", "audio"),
)


def test_a_qdrant_server_answers_as_the_whole_topic_does(settings: Settings) -> None:
    read = [freshet(settings, *question, "--json") for question in QUESTIONS]
    with aside(QdrantStub()) as stub:
        served = settings.model_copy(update={"qdrant_url": stub.url})
        without = freshet(served, *QUESTIONS[0], "--json")
        assert (
            without.stdout == read[0].stdout
            and "`freshet worker indexer` fills it; reading features.v1" in without.stderr
        )
        rebuilt = freshet(served, "rebuild")
        assert " videos are in the index" in rebuilt.stderr, rebuilt.stderr
        away = served.model_copy(update={"bootstrap": "127.0.0.1:1"})  # nobody is asked there
        for question, expected in zip(QUESTIONS, read, strict=True):
            ran = freshet(away, *question, "--json")
            assert (ran.stdout, ran.stderr, ran.returncode) == (expected.stdout, expected.stderr, expected.returncode)
        words = ("text", "image_text", "audio_text")
        assert stub.searched() == [*words, *words, "retrieval", "text", "image", "audio"]
    gone = freshet(served, *QUESTIONS[3], "--json")
    assert gone.stdout == read[3].stdout and "reading features.v1 instead" in gone.stderr


def test_vectors_of_another_version_answer_nothing(settings: Settings) -> None:
    own = settings.model_copy(update={"prefix": "versions.", "fusion": "concat"})
    assert freshet(own, "topics", "apply").returncode == 0
    stored = everything(settings, FEATURES)
    soup = next(found for one in stored if isinstance(found := videos.decode_features(one.value), Encoded))
    foreign = {name: replace(vector, encoder=f"{name}@fp32-0123456789abcdef") for name, vector in soup.vectors.items()}
    old = [replace(soup, video_id=f"old-{number}", vectors=foreign) for number in range(9)]  # the commonest version
    publish(own, FEATURES, [(one.key.decode(), one.value) for one in stored])
    publish(own, FEATURES, [(one.video_id, videos.encode(one)) for one in old])
    publish(own, PROFILES, [("ana", pack(after(liked("ana", "old-0"), liked("ana", "cats-1", NOON + 1))))])
    read = freshet(own, "similar", "cats-1", "--json")
    assert '"cats-2"' in read.stdout and "old-" not in read.stdout, read.stderr
    assert "9 of 16 videos have vectors of other models" in read.stderr
    assert (
        len(wish_of(own, read_stored_library(own, print), "ana", None).interests) == 1
    )  # of one version, whichever it is
    found = ids(asked(own, "playlist", "ana"))
    assert found[0] == "cats-2" and not [video_id for video_id in found if video_id.startswith("old-")]
    ran = freshet(own, "similar", "old-0", "--by", "text")
    assert ran.returncode == 1 and "'old-0' has no text vector of the present models; it has: none." in ran.stderr
    assert "freshet backfill" in ran.stderr.splitlines()[-1]
    with aside(QdrantStub()) as stub:
        served = own.model_copy(update={"qdrant_url": stub.url})
        assert freshet(served, "rebuild").returncode == 0
        assert freshet(served, "similar", "cats-1", "--json").stdout == read.stdout


def test_a_reupload_is_listed_with_what_is_the_same(settings: Settings) -> None:
    [group] = asked(settings, "reuploads")
    assert ids(group["videos"]) == ["goal", "stolen"] and group["pairs"][0]["alike"]["image"] > 0.97


def test_a_playlist_begins_with_what_a_person_likes_and_leaves_out_what_they_saw(settings: Settings) -> None:
    found = ids(asked(settings, "playlist", "ana", "--many", 3))
    assert found[0] == "cats-2" and "cats-1" not in found
    about = ids(asked(settings, "playlist", "somebody", "--theme", "cooking"))
    assert about[0] == "soup" and not {"bread", "cake"} & {*about}  # limited; a stranger has no event to tell the time
    assert "cake" in ids(asked(settings, "playlist", "ana")) and "bread" not in ids(asked(settings, "playlist", "ana"))
    assert "Give a --theme" in freshet(settings, "playlist", "somebody").stderr


def test_what_the_gate_did_is_there_to_be_reviewed(settings: Settings) -> None:
    limited, dropped = asked(settings, "review")
    until = {"until_ms": IN_2090}
    assert limited == {"video_id": "bread", "verdict": "limit", "labels": {"safety:nudity": 0.5}} | until
    assert dropped == {"video_id": "bad", "verdict": "drop", "reason": "safety: toxicity 0.99"}
    ran = freshet(settings, "review")
    assert "until 2090-01-01 00:00 UTC" in ran.stdout and "cake" not in ran.stdout
    assert "1 limited, 1 no longer limited, 1 dropped" in ran.stderr


def test_a_backfill_embeds_what_is_missing_and_then_finds_nothing_to_do(settings: Settings, tmp_path: Path) -> None:
    log = tmp_path / "uploads.jsonl"
    uploads = [uploaded("soup", title=TITLES["soup"]), uploaded("new", title="The ugly sweater")]
    log.write_bytes(b"\n".join(map(videos.encode, uploads)))
    with aside(QdrantStub()) as stub:
        served = settings.model_copy(update={"qdrant_url": stub.url})
        first, second = (freshet(served, "backfill", log, FRESHET_LIMIT_DAYS="2") for _ in range(2))
        with agents(served, tmp_path, "indexer"):
            wait_until("it is in the index", lambda: "new" in indexed(stub))
        assert ids(asked(served, "search", "a pullover", "-k", 1)) == ["new"]
    assert "1 of 1 videos" in first.stderr and "1 videos were embedded" in first.stderr, first.stderr
    assert "0 videos were embedded" in second.stderr, second.stderr
    newest = {record.key: videos.decode_features(record.value) for record in everything(settings, FEATURES)}
    found = newest[b"new"]
    assert isinstance(found, Encoded) and found.vectors.keys() == {"text", "retrieval"}
    assert found.expires == {LIMITED: NOON + 2 * DAY_MS}


@pytest.fixture(scope="module")
def watched(
    settings: Settings, embedder: VideoEmbedder, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Settings, list[Feedback]]:
    """Sixty described videos under a prefix of their own, and what forty people did with them; it is not sent yet."""
    log = list(simulated_log(0, 40, 60, 3000, NOON))
    described = embedder.features([one for one in log if isinstance(one, Upload)])
    folder = tmp_path_factory.mktemp("learning")
    own = settings.model_copy(update={"prefix": "learning.", "data_dir": folder})
    assert freshet(own, "topics", "apply").returncode == 0
    publish(own, FEATURES, [(one.video_id, videos.encode(one)) for one in described])
    return own, [one for one in log if not isinstance(one, Upload)]


def test_a_fusion_is_learned_from_a_log(watched: tuple[Settings, list[Feedback]], tmp_path: Path) -> None:
    own, log = watched[0].model_copy(update={"data_dir": tmp_path}), watched[1]
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"\n".join(feedback.encode(one) for one in log))
    ran = freshet(own, "train-fusion", path)
    assert ran.returncode == 0, ran.stderr
    assert "epoch 10 of 10" in ran.stderr and "there were no weights before" in ran.stderr
    assert (tmp_path / "fusion/fusion-attention.npz").exists()


def test_a_fusion_is_learned_from_kafka_until_stopped_and_what_is_no_better_stays_out(
    watched: tuple[Settings, list[Feedback]], tmp_path: Path
) -> None:
    own = watched[0].model_copy(update={"data_dir": tmp_path, "prefix": "every."})
    assert freshet(own, "topics", "apply").returncode == 0
    publish(own, FEATURES, [(one.key.decode(), one.value) for one in everything(watched[0], FEATURES)])
    command = [sys.executable, "-m", "streams.cli", "train-fusion", "--every", "0.002"]  # 7 s
    with subprocess.Popen(command, env=supervise.environment(own), stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr
        said = until(running.stderr, "next round")
        assert "0 pairs of videos watched together" in said  # which ends nothing
        running.send_signal(signal.SIGSTOP)  # or it begins in the middle of what is published
        publish(own, FEEDBACK, [(one.user_id, feedback.encode(one)) for one in watched[1]])
        publish(own, FEEDBACK, [("ana", b"{"), ("ana", feedback.encode(liked("ana", "unknown")))])
        running.send_signal(signal.SIGCONT)
        said = until(running.stderr, "next round")
        assert "3002 records read" in said and "there were no weights before" in said
        kept = (tmp_path / "fusion/fusion-attention.npz").read_bytes()
        said = until(running.stderr, "next round")
        assert "no better" in said and (tmp_path / "fusion/fusion-attention.npz").read_bytes() == kept
        until(running.stderr, "epoch 1 of 10")
        running.send_signal(signal.SIGTERM)
        assert running.wait(LIMIT_S) == 0
        assert running.stderr.read().splitlines()[-1] == "stopped"
    assert [path.name for path in (tmp_path / "fusion").iterdir()] == ["fusion-attention.npz"]


def test_who_was_erased_is_not_learned_from(watched: tuple[Settings, list[Feedback]]) -> None:
    own = watched[0].model_copy(update={"prefix": "erasing."})
    assert freshet(own, "topics", "apply").returncode == 0
    people = ("ana", "ben", "eva")
    publish(own, FEEDBACK, [(who, feedback.encode(liked(who, "v1", NOON + at))) for at in (0, 2) for who in people])
    publish(own, ERASURES, [("ben", feedback.encode(Erasure(user_id="ben", at_ms=NOON + 1)))])
    seen = read_watched(own, {"v1"}, print)
    assert sorted(one.user_id for one in seen) == ["ana", "ana", "ben", "eva", "eva"]
    assert [one.at_ms for one in seen if one.user_id == "ben"] == [NOON + 2]


def until(lines: IO[str], end: str) -> str:
    """What is said until a line holds these words."""
    said = []
    for line in lines:
        said.append(line)
        if end in line:
            return "".join(said)
    raise AssertionError("".join(said))
