"""K22: topics are deleted and made again under the agents, of which some are killed meanwhile."""

import time
from typing import Any

from schemas.topics import EXAMPLES, FEEDBACK, PROFILES, WEIGHTS
from tests.chaos.learned import learned_of
from tests.chaos.rig import Rig, System, Worker, wait
from tests.support.made_again import folded, likes, make_again
from tests.support.system import publish

BEFORE, AFTER = 600, 900  # events without ids
QUIET_S = 5.0  # for what would count twice


def made_again(rig: Rig) -> dict[str, Any]:
    """K22: feedback.v1 made again with a kill, then others while all runs: each event counts once, and is learned once.

    weights.v1 is made again while nobody learns, and while somebody does; examples.v1 when all of it is learned.
    """
    broken: list[str] = []
    with rig.system("k22") as system:
        worker, learner = system.start("profiles"), system.start("learner")
        told(system, range(BEFORE))
        make_again(system.settings, FEEDBACK)
        publish(system.settings, FEEDBACK, likes(range(BEFORE, BEFORE + AFTER)))
        ended(system, worker)
        system.start("profiles")
        broken += counted(system, BEFORE + AFTER)
        make_again(system.settings, PROFILES)
        told(system, range(BEFORE + AFTER, 2 * BEFORE + AFTER))
        broken += counted(system, 2 * BEFORE + AFTER)
        ended(system, learner)
        make_again(system.settings, WEIGHTS)
        system.start("learner")
        broken += counted(system, 2 * BEFORE + AFTER)
        count = 2 * BEFORE + AFTER
        for topic in (WEIGHTS, EXAMPLES):
            make_again(system.settings, topic)
            told(system, range(count, count + BEFORE))
            count += BEFORE
            broken += counted(system, count)
        system.stop()
    return {"events": count, "breaches": broken}


def ended(system: System, worker: Worker) -> None:
    """Kill a worker."""
    system.asked_to_end(worker)
    worker.kill()


def told(system: System, numbers: range) -> None:
    """Publish likes, and wait until all that was published so far is folded."""
    publish(system.settings, FEEDBACK, likes(numbers))
    wait("all are folded", lambda: folded(system.settings) >= numbers.stop, 120)


def counted(system: System, expected: int) -> list[str]:
    """The breach of another count than this, once all has come to rest."""
    wait("all are folded", lambda: folded(system.settings) >= expected, 120)
    wait("all are learned", lambda: learned(system) >= expected, 120)
    time.sleep(QUIET_S)
    found, learnt = folded(system.settings), learned(system)
    broken = [] if found == expected else [f"DOUBLE {found - expected}"]
    return broken + ([] if learnt == expected else [f"EXAMPLES_DOUBLE {learnt - expected}"])


def learned(system: System) -> int:
    """Exposures that are learned: each like is of a video that its person meets then."""
    return int(learned_of(system.settings).totals[0])
