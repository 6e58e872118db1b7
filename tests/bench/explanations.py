"""explanations: how often a score falls without the events that its reason names.

The item is scored again at the same moment, with the same shared state, for the person's events without those of the
named video. A case holds where both the score and what the reason stands for fall. Intervals: bootstrap by person.
"""

import asyncio
from collections.abc import Iterator
from itertools import islice

import numpy as np

from ranker.evaluation.bootstrap import Estimate, estimate, ratio, sample, sums_by
from schemas.topics import UPLOADS
from streams.logs.jsonl import Fault, Line, read_log
from tests.bench.ground import Ground
from tests.bench.results import Goal, Result
from tests.support.falsification import Case, falsify_log

NAME, LEAST = "explanations", 0.95  # the goal
DRAWS, SEED = 1000, 0


def explanations(ground: Ground) -> list[Result]:
    """By hand-set weights alone, and while parameters are learned."""
    return [_measured(ground, learning) for learning in (False, True)]


def _measured(ground: Ground, learning: bool) -> Result:
    with ground.log.path.open("rb") as log:
        lines = _first(log, ground.size(6000, 200))
        found = asyncio.run(falsify_log(ground.settings(), lines, ground.size(8, 4), learning=learning))
    share, cases = share_that_holds(found.cases), len(found.cases)
    more = {
        "low": share.low,
        "high": share.high,
        "score_falls": float(np.mean([case.score_falls for case in found.cases])),
        "contribution_falls": float(np.mean([case.contribution_falls for case in found.cases])),
        "named": cases / found.naming,
    }
    note = (
        f"{cases:,} items of {found.slates:,} slates of {ground.log.name} that name a video; low and high: 95 %, "
        "bootstrap by person; named: of the items near what the person likes, how many name a video"
    )
    fault = f"{found.differing} slates differ from the log's" if found.differing else ""
    goal = Goal(f"{share.value:.3f} hold, at least {LEAST}", share.value >= LEAST)
    return Result(
        NAME, share.value, "hold", "learning" if learning else "nothing learned", "", more, note, fault, [goal]
    )


def share_that_holds(cases: list[Case]) -> Estimate:
    """How many cases hold, with an interval by person."""
    people, places = np.unique([case.user_id for case in cases], return_inverse=True)
    held = np.array([case.holds for case in cases], np.float64)
    share = ratio(sums_by(places, held, len(people)), sums_by(places, np.ones(len(cases)), len(people)))
    return estimate(sample({NAME: share}, len(people), DRAWS, SEED)[NAME])


def _first(log: Iterator[bytes], count: int) -> Iterator[Line | Fault]:
    """All uploads before the first events, and so many events."""
    lines = read_log(log)
    for line in lines:
        if isinstance(line, Line) and line.topic is not UPLOADS:
            yield line
            break
        yield line
    yield from islice(lines, count - 1)
