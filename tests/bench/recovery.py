"""recovery: how fast a worker's state is read back.

A compacted topic holds five states of each of 100,000 people, as a changelog does that is not compacted yet; Faust's
holds one, as it reads so much more slowly. Freshet's owned state, Faust's table, and a bare confluent-kafka consumer
that only counts what it reads take turns, each in a process of its own (`tests.bench.recovering`), which times itself
from the start of reading to the last record.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from itertools import cycle, islice
from statistics import mean
from typing import NamedTuple

from schemas.messages import feedback
from schemas.settings.model import Settings
from schemas.topics import PROFILES as CHANGELOG
from streams.errors import OperatorError
from tests.bench import faust_app
from tests.bench.backlog import reference_events
from tests.bench.engines import LAST_LINES, source_of
from tests.bench.ground import Ground, environment
from tests.bench.results import Goal, Result, percentiles
from tests.bench.wire import Outgoing, make_changelog, publish
from tests.bench.work import PROFILES, REFERENCE, Work

NAME = "recovery"
FRESHET, READER, FAUST = "freshet", "reader", "faust"  # as tests.bench.recovering knows them
ENGINES = {FRESHET: "Freshet, owned state", READER: "bare confluent-kafka, reading only", FAUST: "Faust, table"}
SHARE = 2 / 3  # goal: of what reading alone gives
EACH = {FRESHET: 5, READER: 5, FAUST: 1}  # states of a person on the topic; the first two read the same one
LIMIT_S = 300.0


class Recovered(NamedTuple):
    """What a process says of its reading."""

    came_to: int  # people, or records from who only reads
    seconds: float
    cpu_s: float
    memory: int  # bytes that the process grew by


def recovery(ground: Ground) -> list[Result]:
    """Records a second, of reference states and of profiles as large as KuaiRand's."""
    log = [Outgoing(one.user_id.encode(), feedback.encode(one)) for one in ground.log.feedback()]
    made = reference_events(ground.size(200_000, 5000))
    return [
        *_of(ground, REFERENCE, made, "reference states"),
        *_of(ground, PROFILES, log, f"profiles of {ground.log.name}"),
    ]


def _of(ground: Ground, work: Work, log: Sequence[Outgoing], what: str) -> list[Result]:
    settings = ground.with_topics(f"r{work.name[0]}.")
    states = list(islice(cycle(_states(work, log, source_of(settings))), ground.size(100_000, 2000)))
    once = [Outgoing(b"p%06d" % number, state) for number, state in enumerate(states)]
    faust_topic = faust_app.changelog_of(source_of(settings))
    make_changelog(settings, faust_topic)
    publish(settings, faust_topic, once * EACH[FAUST])
    publish(settings, CHANGELOG.full(settings.prefix), once * EACH[FRESHET])
    runs: dict[str, list[Recovered]] = {who: [] for who in ENGINES}
    for number in range(ground.size(2, 1)):
        for who in ENGINES if number % 2 == 0 else reversed(ENGINES):
            runs[who].append(_recovered(settings, who, work))
    return [_row(who, runs, what, [len(state) for state in states]) for who in ENGINES]


def _states(work: Work, log: Sequence[Outgoing], source: str) -> list[bytes]:
    """Packed states of the people in a log, at its end."""
    states: dict[bytes, object] = {}
    for offset, (key, value) in enumerate(log):
        after = work.apply(states.get(key), value, source, 0, offset)
        if after is not None:
            states[key] = after
    return [work.pack(state) for state in states.values()]


def _recovered(settings: Settings, who: str, work: Work) -> Recovered:
    command = [sys.executable, "-m", "tests.bench.recovering", who, work.name]
    environ = environment(settings)
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    said = [line for line in done.stdout.splitlines() if line.startswith("{")]  # Faust says more than asked for
    if not said:
        last = "\n".join(done.stderr.splitlines()[-LAST_LINES:])
        raise OperatorError(f"{ENGINES[who]} ended with exit code {done.returncode}, and said:\n{last}", "See to that.")
    return Recovered(**json.loads(said[-1]))


def _row(who: str, runs: dict[str, list[Recovered]], what: str, sizes: Sequence[int]) -> Result:
    people, records = len(sizes), {name: len(sizes) * each for name, each in EACH.items()}
    paces = {name: records[name] / mean(run.seconds for run in of_one) for name, of_one in runs.items()}
    share, right = paces[who] / paces[READER], records[READER] if who == READER else people
    wrong = [run.came_to for run in runs[who] if run.came_to != right]
    fault = f"{ENGINES[who]} came to {wrong[0]:,} of {right:,}" if wrong else ""
    more = {"cpu_us/record": 1e6 * mean(run.cpu_s for run in runs[who]) / records[who], "of reading alone": share}
    goal = Goal(f"{what}: {share:.2f} of what reading alone gives, at least {SHARE:.2f}", share >= SHARE)
    p50, p99 = percentiles(sizes)
    note = f"{what}: {people:,} people, states of {p50:.0f} bytes (p50) and {p99:.0f} (p99)"
    goals = (goal,) if who == FRESHET else ()
    return Result(NAME, paces[who], "records/s", what, ENGINES[who], more, note, fault, goals)
