"""K22: topics are deleted and made again under the agents, one of which is killed meanwhile."""

import time
from typing import Any

from schemas.topics import FEEDBACK, PROFILES
from tests.chaos.rig import Rig, System, wait
from tests.support.made_again import folded, likes, make_again
from tests.support.system import publish

BEFORE, AFTER = 600, 900  # events without ids
QUIET_S = 5.0  # for what would count twice


def made_again(rig: Rig) -> dict[str, Any]:
    """K22: feedback.v1 made again with a kill, then profiles.v1 made again while it runs: each event counts once."""
    broken: list[str] = []
    with rig.system("k22") as system:
        worker = system.start("profiles")
        told(system, range(BEFORE))
        make_again(system.settings, FEEDBACK)
        publish(system.settings, FEEDBACK, likes(range(BEFORE, BEFORE + AFTER)))
        system.asked_to_end(worker)
        worker.kill()
        system.start("profiles")
        broken += counted(system, BEFORE + AFTER)
        make_again(system.settings, PROFILES)
        told(system, range(BEFORE + AFTER, 2 * BEFORE + AFTER))
        broken += counted(system, 2 * BEFORE + AFTER)
        system.stop()
    return {"events": 2 * BEFORE + AFTER, "breaches": broken}


def told(system: System, numbers: range) -> None:
    """Publish likes, and wait until all that was published so far is folded."""
    publish(system.settings, FEEDBACK, likes(numbers))
    wait("all are folded", lambda: folded(system.settings) >= numbers.stop, 120)


def counted(system: System, expected: int) -> list[str]:
    """The breach of another count than this, once all has come to rest."""
    wait("all are folded", lambda: folded(system.settings) >= expected, 120)
    time.sleep(QUIET_S)
    found = folded(system.settings)
    return [] if found == expected else [f"DOUBLE {found - expected}"]
