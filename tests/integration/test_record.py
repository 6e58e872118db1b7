"""Recording a live system: what its topics hold becomes a log, and the log gives the live state."""

import asyncio
import json
import random
import re
import signal
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka import Producer

from schemas.messages import erasures, feedback, videos
from schemas.messages.erasures import Erasure
from schemas.settings.model import Settings
from schemas.topics import DEAD_LETTERS, ERASURES, FEEDBACK, PROFILES, TOPICS, UPLOADS
from streams.kafka import topic_admin
from streams.kafka.command_reader import command_reader
from streams.local.broker import LocalBroker
from streams.logs.digest import live_digest
from streams.logs.jsonl import Line, read_log
from streams.logs.outcome import Outcome
from streams.logs.recorded import line_of, record_of
from streams.logs.replay import Replay, replay_embedder
from streams.worker import supervise
from tests.support.brokers import CACHE
from tests.support.command import freshet
from tests.support.events import liked, minute, skipped, uploaded, watched
from tests.support.forked import forked, freshet_command
from tests.support.made_again import likes, make_again
from tests.support.system import LIMIT_S, agents, everything, prefix_of, publish, wait_until

pytestmark = pytest.mark.connected

PEOPLE = [f"person-{n}" for n in range(24)]
VIDEOS = [f"video-{n}" for n in range(12)]


@pytest.fixture(params=[2, 5])
def system(broker: LocalBroker, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """Topics of the test's own with so many partitions."""
    folders = {"data_dir": tmp_path, "cache_dir": CACHE.settings.cache_dir}
    prefix = prefix_of(request.node.nodeid)
    settings = Settings(bootstrap=broker.bootstrap, prefix=prefix, partitions=request.param, **folders)
    topic_admin.apply(settings, TOPICS, print)
    return settings


def client(settings: Settings, partitioner: str) -> Producer:
    return Producer({"bootstrap.servers": settings.bootstrap, "partitioner": partitioner})


def burst(settings: Settings, chance: random.Random, start: int, count: int = 240) -> None:
    """Events as they come: repeats, wrong partitions, CloudEvents, what cannot be used, and erasures in between."""
    name, right, wrong = FEEDBACK.full(settings.prefix), client(settings, "murmur2_random"), client(settings, "random")
    for n in range(start, start + count):
        who, video = chance.choice(PEOPLE), chance.choice(VIDEOS)
        make = chance.choice([watched, liked, skipped])
        value = feedback.encode(make(who, video, minute(n), event_id=f"e-{n - chance.choice([0, 0, 0, 7])}"))
        by = chance.choice([right, right, wrong])
        by.produce(name, value, who, headers=[("trace", b"\xff\xfe"), ("empty", None)] if n % 9 == 0 else None)
        if n % 11 == 0:
            headers = [("ce_specversion", b"1.0"), ("ce_id", f"ce-{n}".encode()), ("ce_type", b"freshet.like.v1")]
            right.produce(name, feedback.encode(liked(who, video, minute(n))), who, headers=headers)
        if n % 13 == 0:
            right.produce(name, chance.choice([b"not json", b"\xff\x00", b"", b'{"kind":"like",\n"user_id":4}']), who)
        if n % 17 == 0:
            gone = chance.choice(PEOPLE)
            request = erasures.encode(Erasure(user_id=gone, at_ms=minute(n - chance.choice([0, 5, -5]))))
            chance.choice([right, right, wrong]).produce(ERASURES.full(settings.prefix), request, gone)
        right.poll(0)
        wrong.poll(0)
    right.flush()
    wrong.flush()


def caught_up(settings: Settings) -> bool:
    """Whether the profiles agent has committed all that its topics hold."""
    with command_reader(settings, {"group.id": f"{settings.prefix}profiles"}) as reader:
        topics = [topic.full(settings.prefix) for topic in (FEEDBACK, ERASURES)]
        return all(
            (reader.committed(name, p) or 0) >= end for name in topics for p, (_, end) in reader.bounds(name).items()
        )


def recorded(settings: Settings, log: Path, *options: str) -> dict[str, object]:
    ran = freshet(settings, "record", log, "--json", *options)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def replayed(settings: Settings, log: Path, partitions: int) -> Outcome:
    """What `freshet replay` makes of a log; under another prefix than it was recorded."""
    run = Replay(settings.model_copy(update={"partitions": partitions, "prefix": "other."}), replay_embedder(settings))

    async def finish() -> None:
        with log.open("rb") as lines:
            async for _ in run.run(read_log(lines)):
                pass

    asyncio.run(finish())
    return run.outcome


def letters_by_reason(settings: Settings) -> Counter[str]:
    """Dead letters by reason; each record's once: one in flight at a kill is sent again (docs/reliability.md)."""
    headers = [dict(letter.headers) for letter in everything(settings, DEAD_LETTERS)]
    sent = {(one["topic"], one["partition"], one["offset"], (one["reason"] or b"").decode()) for one in headers}
    return Counter(reason for *_, reason in sent)


def places(log: Path) -> Counter[tuple[str, int, int]]:
    return Counter(record_of(line)[0][:3] for line in log.read_bytes().splitlines())  # type: ignore[index]


def test_the_replay_of_a_recording_gives_the_live_state(system: Settings, tmp_path: Path) -> None:
    chance, log = random.Random(7), tmp_path / "live.jsonl"
    made = [uploaded(video, title=f"A title of {video}", at_ms=minute(-5)) for video in VIDEOS]
    with agents(system, tmp_path) as running:
        publish(system, UPLOADS, [(one.video_id, videos.encode(one)) for one in made])
        burst(system, chance, 0)  # a backlog, of which the agent takes the erasures first
        first = running.start("profiles")
        wait_until("something is applied", lambda: bool(everything(system, PROFILES)))
        for start in (300, 600, 900):
            burst(system, chance, start)
        recorded(system, log)  # in the middle
        first.kill()
        first.wait()
        burst(system, chance, 1200)
        running.start("profiles")
        wait_until("all is applied", lambda: caught_up(system))
        report = recorded(system, log)
    assert report["not_sent_on"] == 0
    assert max(places(log).values()) == 1
    live = live_digest(system)[0]
    outcome = replayed(system, log, 1)
    assert outcome.state_digest == live
    assert replayed(system, log, 7).state_digest == live
    letters = letters_by_reason(system)
    refused = outcome.faults.reasons + outcome.without_slate
    assert {name: refused[name] for name in letters} == letters
    assert outcome.events == outcome.slates + outcome.without_slate.total()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGKILL])
def test_a_recording_that_is_stopped_goes_on_without_a_double_or_a_gap(
    settings: Settings, tmp_path: Path, stop: signal.Signals
) -> None:
    log = tmp_path / "live.jsonl"
    arguments = ["record", str(log), "--follow", "--json"]
    sent = 0

    def put(count: int) -> None:
        nonlocal sent
        events = [liked(PEOPLE[n % 24], VIDEOS[n % 12], minute(n)) for n in range(sent, sent + count)]
        publish(settings, FEEDBACK, [(one.user_id, feedback.encode(one)) for one in events])
        sent += count

    put(3000)
    following = forked(freshet_command, arguments, supervise.environment(settings), tmp_path / "out", tmp_path / "err")
    wait_until("the first are recorded", lambda: log.exists() and log.read_bytes().count(b"\n") >= 500)
    put(500)
    following.send_signal(stop)
    status = following.wait(LIMIT_S)
    assert status == (0 if stop is signal.SIGTERM else -signal.SIGKILL)
    with log.open("ab") as file:
        file.write(b'{"recorded":{"topic":"half a li')
    assert recorded(settings, log)["lines"] == sent
    there = [(one.topic, one.partition, one.offset) for one in everything(settings, FEEDBACK)]
    assert places(log) == Counter(there)
    events = [line.message.at_ms for line in read_log(log.open("rb")) if isinstance(line, Line)]
    assert sorted(events) == [minute(n) for n in range(sent)]


def test_a_topic_that_was_made_again_is_no_continuation(settings: Settings, tmp_path: Path) -> None:
    log = tmp_path / "live.jsonl"
    publish(settings, UPLOADS, [(video, videos.encode(uploaded(video))) for video in VIDEOS])
    recorded(settings, log)
    before = log.read_bytes()
    lines = [record_of(line) for line in before.splitlines()]
    assert all(line is not None for line in lines)
    log.write_bytes(b"".join(line_of(r._replace(timestamp=r.timestamp - 1), n) for r, n in lines if r))  # type: ignore[misc]
    ran = freshet(settings, "record", log)
    assert ran.returncode == 1
    assert "the topic was made again" in ran.stderr
    log.write_bytes(b"".join(line_of(r._replace(offset=r.offset + 99), n) for r, n in lines if r))  # type: ignore[misc]
    ran = freshet(settings, "record", log)
    assert ran.returncode == 1
    assert "the topic was made again" in ran.stderr


def test_a_topic_that_is_made_again_while_it_is_recorded_ends_the_log_and_two_logs_are_replayed_as_one(
    settings: Settings, tmp_path: Path
) -> None:
    first, second, out, err = (tmp_path / name for name in ("first.jsonl", "second.jsonl", "out", "err"))
    publish(settings, FEEDBACK, likes(range(60)))
    arguments = ["record", str(first), "--follow"]
    following = forked(freshet_command, arguments, supervise.environment(settings), out, err)
    wait_until("the first are recorded", lambda: first.exists() and first.read_bytes().count(b"\n") == 60)
    make_again(settings, FEEDBACK)
    publish(settings, FEEDBACK, likes(range(60, 300)))  # more than before: it goes on behind where reading was
    assert following.wait(LIMIT_S) == 1
    assert re.search(r"was (deleted|made again) while it was recorded", err.read_text())
    assert first.read_bytes().count(b"\n") == 60
    recorded(settings, second)
    both = tmp_path / "both.jsonl"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    outcome = replayed(settings, both, 4)
    assert (outcome.events, outcome.without_slate["repeat"]) == (300, 0)
