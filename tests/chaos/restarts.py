"""K30 to K33: one broker restart after the other, answers that list no broker, a group that assigns nothing."""

import signal
import time
from typing import Any

from streams.worker.health import STUCK, statuses
from tests.chaos.outages import resumed, too_slow, under_load
from tests.chaos.rig import Rig, System, judged, spread, wait

STUCK_S = 25.0  # of the workers whose group assigns them nothing
RESTARTS = (2, 20)


def again_and_again(rig: Rig) -> dict[str, Any]:
    """K30: the broker is killed, or stopped in order, and started again: by turns, with a little work between."""
    recoveries: list[float] = []
    with rig.system("k30") as system:
        under_load(rig, system)
        for number in range(rig.size(*RESTARTS)):
            (rig.broker.stop if number % 2 else rig.broker.kill)()
            system.keep_up(1.0)
            rig.broker.start()
            recoveries.append(resumed(system))
            system.keep_up(1.0)
        figures = system.finish()
    return judged(figures | {"recovery_s": spread(recoveries)}, *too_slow(recoveries))


def without_brokers(rig: Rig) -> dict[str, Any]:
    """K31: a black hole, and then for a while answers about metadata that list no broker."""
    with rig.system("k31", proxied=True) as system:
        under_load(rig, system)
        with rig.proxy.broken("blackhole"):
            system.keep_up(rig.size(6.0, 15.0))
            rig.proxy.set("brokerless")
            system.keep_up(rig.size(12.0, 20.0))
        recovery = resumed(system)
        figures = system.finish()
    return judged(figures | {"recovery_s": recovery}, *too_slow([recovery]))


def unassigned(rig: Rig) -> dict[str, Any]:
    """K32: the coordinator gets no JoinGroup: the worker says so, ends, and its successor works once all is well."""
    broken = []
    with rig.system("k32", proxied=True, stuck_s=STUCK_S) as system:
        with rig.proxy.broken("no_join"):
            worker = system.start("profiles")
            system.asked_to_end(worker)
            wait("it is unassigned", lambda: states(system) == {"unassigned"})
            wait("it ends", lambda: not worker.alive(), STUCK_S + 30)
        status = worker.process.returncode
        broken += [] if status == STUCK else [f"ended with status {status}"]
        broken += [] if "does not say which partitions it has" in worker.said() else ["it did not say why"]
        under_load(rig, system)
        figures = system.finish()
    return judged(figures, *broken)


def spare(rig: Rig) -> dict[str, Any]:
    """K33: more workers than partitions: the spare one has nothing to do, and is ready all the time."""
    with rig.system("k33", partitions=1, stuck_s=STUCK_S) as system:
        under_load(rig, system)
        system.start("profiles")
        wait("both profiles workers are ready", lambda: len(statuses(system.settings)) == 3 and all_ready(system))
        seen: set[str] = set()
        end = time.monotonic() + STUCK_S + 10.0
        system.keep_up(STUCK_S + 10.0, lambda: bool(seen.update(states(system))) or time.monotonic() > end)
        first = next(worker for worker in system.started if worker.agent == "profiles")
        system.asked_to_end(first)
        first.kill(signal.SIGKILL)  # whichever had the partition: the other goes on
        figures = system.finish()
    return judged(figures, *([] if seen == {"ready"} else [f"states seen: {sorted(seen)}"]))


def states(system: System) -> set[str]:
    """The states of the workers that run."""
    return {one.state for one in statuses(system.settings)}


def all_ready(system: System) -> bool:
    """Whether every worker says that it is ready."""
    return states(system) == {"ready"}
