"""api: what the HTTP API takes for a slate and for feedback, and how soon it is ready where it has a million people."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import msgspec

from schemas.messages import feedback
from schemas.messages.recommendations import Because, Item, Recommendation, Trigger, recommendation_id
from schemas.published.examples import ANSWER
from schemas.settings.model import Settings
from schemas.topics import RECOMMENDATIONS
from streams.api.rocksdb_store import RocksdbStore
from streams.api.slate_store import slates_in
from streams.kafka.records import Record, partition_of
from streams.kafka.topic_watch import TopicIdentity, topic_id
from streams.local.broker import free_port
from streams.worker import processes
from tests.bench.ground import Ground, environment
from tests.bench.machine import cpu_seconds
from tests.bench.results import Goal, Result, percentiles
from tests.support.events import watched

WARM_UP = 300  # requests
FAR_MS = 4_000_000_000_000  # nothing expires meanwhile
SHARES = 1000  # slates that differ; RocksDB packs blocks of one or two
SLATE_US, SLATE_RATIO, EVENTS_S, READY_S, READY_MIB = 600, 1.5, 1000, 10, 300  # the goals
BATCH = 100  # events of one request


def slate(ground: Ground) -> list[Result]:
    """CPU a slate, beside a bare route of FastAPI that answers as many bytes."""
    requests, people = ground.size(5000, 300), ground.size(20_000, 200)
    settings = ground.with_topics("api-slate.")
    filled(settings, people)
    with api(settings) as (port, pid):
        paths = [f"/v1/users/p{random.Random(n).randrange(people):07d}/slate" for n in range(requests)]
        body = asked(port, paths[:WARM_UP])
        ours_us, ours = per_request(port, pid, paths)
    with bare(len(body)) as (port, pid):
        asked(port, paths[:WARM_UP])
        bare_us, its = per_request(port, pid, paths)
    goals = [
        Goal(f"{ours_us:.0f} µs CPU, at most {SLATE_US}", ours_us <= SLATE_US),
        Goal(f"{ours_us / bare_us:.2f} × the bare route, at most {SLATE_RATIO}", ours_us <= SLATE_RATIO * bare_us),
    ]
    note = f"{len(body):,} bytes an answer, one connection, the server's process with all its threads"
    return [
        Result("api.slate", ours_us, "cpu_us/request", engine="freshet api", more=_times(ours), note=note, goals=goals),
        Result("api.slate", bare_us, "cpu_us/request", engine="bare FastAPI route", more=_times(its)),
    ]


def events(ground: Ground) -> list[Result]:
    """Acknowledged events a second in batches, one request after the other."""
    batches = ground.size(100, 5)
    settings = ground.with_topics("api-feedback.")
    with api(settings) as (port, pid):
        bodies = [
            b"[%b]"
            % b",".join(feedback.encode(watched(f"u{n % 5000}", "v1", event_id=f"{turn}-{n}")) for n in range(BATCH))
            for turn in range(batches + 3)
        ]
        connection = HTTPConnection("127.0.0.1", port)
        times, cpu_s, began_s = [], 0.0, 0.0
        for turn, body in enumerate(bodies):
            if turn == 3:
                cpu_s, began_s = cpu_seconds(pid), time.perf_counter()
            started = time.perf_counter()
            connection.request("POST", "/v1/feedback", body)
            answer = connection.getresponse().read()
            times.append(time.perf_counter() - started)
            if answer.count(b'"accepted"') != BATCH:
                raise RuntimeError(f"not all were accepted: {answer[:200]!r}")
        seconds, cpu_s = time.perf_counter() - began_s, cpu_seconds(pid) - cpu_s
        connection.close()
    rate, count = batches * BATCH / seconds, batches * BATCH
    goal = Goal(f"{rate:,.0f} events/s, at least {EVENTS_S:,}", rate >= EVENTS_S)
    more = {"cpu_us/event": 1e6 * cpu_s / count} | _times(times[3:])
    note = f"one client, {BATCH} events a request, each request after the answer to the last"
    return [Result("api.feedback", rate, "events/s", more=more, note=note, goals=[goal])]


def restart(ground: Ground) -> list[Result]:
    """Seconds until it is ready, and its memory then and after a thousand people were asked for."""
    people = ground.size(1_000_000, 2000)
    settings = ground.with_topics("api-restart.")
    filled(settings, people)
    began_s = time.perf_counter()
    with api(settings) as (port, pid):
        ready_s, fresh = time.perf_counter() - began_s, _memory_mib(pid)
        chance = random.Random(0)
        asked(port, [f"/v1/users/p{chance.randrange(people):07d}/slate" for _ in range(ground.size(5000, 100))])
        used = _memory_mib(pid)
    goals = [
        Goal(f"ready after {ready_s:.1f} s, at most {READY_S}", ready_s <= READY_S),
        Goal(f"{used:.0f} MiB, at most {READY_MIB}", used <= READY_MIB),
    ]
    more = {"MiB then": fresh, "MiB after 5,000 requests": used}
    return [Result("api.restart", ready_s, "s to ready", f"{people:,} people", more=more, goals=goals)]


def filled(settings: Settings, people: int) -> None:
    """Put so many people's slates where the API keeps them, as of a topic that holds nothing more."""
    while not (found := topic_id(settings, RECOMMENDATIONS.full(settings.prefix))):
        time.sleep(0.1)  # it was made a moment ago
    topic = TopicIdentity(found, settings.partitions)
    store = RocksdbStore(settings.data_dir / "api" / f"{settings.prefix}slates")
    store.begin(topic, {})
    made = [message(n) for n in range(SHARES)]
    for start in range(0, people, 1000):
        keys = [b"p%07d" % n for n in range(start, min(start + 1000, people))]
        for partition in range(settings.partitions):
            records = [
                Record("", partition, 0, 0, key, made[n % SHARES])
                for n, key in enumerate(keys)
                if partition_of(key, settings.partitions) == partition
            ]
            store.apply(partition, slates_in(records), 0)
    store.close()


def message(number: int) -> bytes:
    """A slate of twenty places, of as many bytes as one of the home feed."""
    chance = random.Random(number)
    items = [
        Item(
            rank,
            f"video-{chance.randrange(10**6)}",
            chance.random(),
            {name: chance.random() for name in ("finish", "like", "skip")},
            1.0,
            ["near_recent", "trending"],
            [
                Because("similar_to", chance.random(), f"video-{chance.randrange(10**6)}"),
                Because("fresh", chance.random()),
            ],
        )
        for rank in range(1, 21)
    ]
    answer: Recommendation = ANSWER
    changes = {"recommendation_id": recommendation_id("p", number), "items": items, "expires_at_ms": FAR_MS}
    trigger = Trigger(None, "feedback.v1", 0, number, 1_650_000_000_000)
    return msgspec.json.encode(msgspec.structs.replace(answer, trigger=trigger, **changes))


@contextmanager
def api(settings: Settings) -> Iterator[tuple[int, int]]:
    """The HTTP API until it is ready, and for the time of a `with`: its port and its process."""
    port = free_port()
    environ = environment(settings) | {"FRESHET_API_PORT": str(port), "FRESHET_LOG_LEVEL": "WARNING"}
    with serving([sys.executable, "-m", "streams.cli", "api"], environ, port, "/readyz") as pid:
        yield port, pid


@contextmanager
def bare(size: int) -> Iterator[tuple[int, int]]:
    """The bare route, likewise."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.bare_fastapi", str(port), str(size)]
    with serving(command, dict(os.environ), port, "/v1/users/p/slate") as pid:
        yield port, pid


@contextmanager
def serving(command: Sequence[str], environ: dict[str, str], port: int, ready: str) -> Iterator[int]:
    """Run a server for the time of a `with`, from when it answers a path."""
    process = processes.start(command, subprocess.DEVNULL, environ)
    try:
        end_s = time.monotonic() + 120
        while not _is_ready(port, ready):
            if time.monotonic() > end_s or process.poll() is not None:
                raise RuntimeError(f"{' '.join(command[1:4])} does not serve")
            time.sleep(0.05)
        yield process.pid
    finally:
        processes.stop(process, 15)


def _is_ready(port: int, path: str) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def asked(port: int, paths: Sequence[str], times: list[float] | None = None) -> bytes:
    """Ask for all of them on one connection; returns the last body."""
    connection, body = HTTPConnection("127.0.0.1", port), b""
    for path in paths:
        started = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        if times is not None:
            times.append(time.perf_counter() - started)
        if answer.status != 200:
            raise RuntimeError(f"{path} is answered {answer.status}: {body[:200]!r}")
    connection.close()
    return body


def per_request(port: int, pid: int, paths: Sequence[str]) -> tuple[float, list[float]]:
    """CPU of the server for each of them in µs, and how long each took in s."""
    times: list[float] = []
    before = cpu_seconds(pid)
    asked(port, paths, times)
    return 1e6 * (cpu_seconds(pid) - before) / len(paths), times


def _times(seconds: Sequence[float]) -> dict[str, float]:
    p50, p99 = percentiles([1000 * one for one in seconds])
    return {"ms p50": p50, "ms p99": p99}


def _memory_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024
