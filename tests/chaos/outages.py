"""K4, K5, K10: the broker cannot be reached, dies, freezes, or has no room left."""

import resource
import signal
import time
from pathlib import Path
from typing import Any

from schemas.settings.model import Settings
from schemas.topics import PROFILES, RECOMMENDATIONS, WEIGHTS
from streams.worker.health import statuses
from tests.chaos.proxy import schedule, write_schedule
from tests.chaos.rig import Rig, System, judged, spread, wait
from tests.chaos.topics import ends

RATE = 60.0
RECOVERY_S = 30.0  # promised: resumed so long after the broker is back
NOTICED_S = 10.0  # promised: not ready so long after the broker has gone
ROOM = 300_000  # bytes that the broker's largest file may still grow by


def under_load(rig: Rig, system: System, *more: str) -> None:
    """A worker of the profiles and one of the ranking agent at work, and of other agents."""
    workers = [system.start(agent) for agent in ("profiles", "ranker", *more)]
    system.begin(RATE, rig.seed)
    wait("all work", lambda: all(one.mark("confirmed") for one in workers))
    system.keep_up(2.0)


def resumed(system: System) -> float:
    """Seconds until all topics grow again."""
    began = time.monotonic()
    topics = [PROFILES, RECOMMENDATIONS, *([WEIGHTS] if system.learns else [])]
    before = {topic: ends(system.settings, topic) for topic in topics}

    def all_grew() -> bool:
        topics[:] = [topic for topic in topics if ends(system.settings, topic) == before[topic]]
        return not topics

    system.keep_up(2 * RECOVERY_S, all_grew)
    return round(time.monotonic() - began, 1)


def too_slow(recoveries: list[float]) -> list[str]:
    """The breach of what is promised about recovery."""
    return [f"resumed after {max(recoveries)} s"] if max(recoveries) > RECOVERY_S else []


def unreachable(rig: Rig) -> dict[str, Any]:
    """K4: refused, swallowed, and then a seeded schedule of every fault that the proxy knows."""
    recoveries: dict[str, float] = {}
    noticed: dict[str, float] = {}
    with rig.system("k4", proxied=True) as system:
        under_load(rig, system, "learner")
        for seconds in rig.size((5,), (5, 60)):
            for mode in ("refuse", "blackhole"):
                with rig.proxy.broken(mode):
                    began = time.monotonic()
                    if system.keep_up(seconds, lambda: nobody_ready(system.settings)):
                        noticed[f"{mode} {seconds} s"] = round(time.monotonic() - began, 1)
                    system.keep_up(began + seconds - time.monotonic())
                recoveries[f"{mode} {seconds} s"] = resumed(system)
        steps = schedule(rig.seed, rig.size(3, 20))
        write_schedule(system.folder / "schedule.jsonl", steps)
        rig.proxy.play(steps)
        recoveries["schedule"] = resumed(system)
        figures = system.finish()
    broken = too_slow(list(recoveries.values()))
    broken += [f"ready in a {outage}" for outage in recoveries if outage.endswith("60 s") and outage not in noticed]
    broken += [f"ready for {max(noticed.values())} s"] if max(noticed.values(), default=0) > NOTICED_S else []
    return judged(figures | {"recovery_s": recoveries, "not_ready_after_s": noticed}, *broken)


def nobody_ready(settings: Settings) -> bool:
    """Whether every worker says that it is not ready."""
    said = statuses(settings)
    return bool(said) and all(one.state != "ready" for one in said)


def restarted(rig: Rig) -> dict[str, Any]:
    """K5: the broker is killed and started again, then frozen for a while."""
    recoveries: dict[str, float] = {}
    with rig.system("k5") as system:
        under_load(rig, system, "learner")
        for number in range(rig.size(1, 5)):
            rig.broker.kill()
            system.keep_up(rig.size(1.0, 5.0))
            rig.broker.start()
            recoveries[f"kill -9, {number + 1}"] = resumed(system)
            system.keep_up(1.0)
        seconds = rig.size(8, 30)
        assert rig.broker.process
        rig.broker.process.send_signal(signal.SIGSTOP)
        system.keep_up(seconds)
        rig.broker.process.send_signal(signal.SIGCONT)
        recoveries[f"SIGSTOP {seconds} s"] = resumed(system)
        figures = system.finish()
    return judged(figures | {"recovery_s": recoveries}, *too_slow(list(recoveries.values())))


def without_room(rig: Rig) -> dict[str, Any]:
    """K10: the workers' disk takes not one byte more, and the broker's is full until somebody makes room."""
    with rig.system("k10") as system:
        under_load(rig, system)
        for worker in system.running():
            resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (0, 0))
        system.keep_up(2.0)
        deaf = [one.agent for one in system.started if not one.alive()]
        assert rig.broker.process
        limit = max(file.stat().st_size for file in logs(rig.broker.folder, system)) + ROOM
        resource.prlimit(rig.broker.process.pid, resource.RLIMIT_FSIZE, (limit, limit))
        full = system.keep_up(30, lambda: rig.broker.process is None or rig.broker.process.poll() is not None)
        rig.broker.kill()
        system.keep_up(2.0)
        rig.broker.start()
        recovery = resumed(system)
        figures = system.finish()
    broken = [f"{agent} ended when its disk was full" for agent in deaf]
    broken += [] if full else ["the broker did not notice that its disk is full"]
    return judged(figures | {"recovery_s": spread([recovery])}, *broken, *too_slow([recovery]))


def logs(folder: Path, system: System) -> list[Path]:
    """The broker's files of the topics that grow fastest."""
    return [*(folder / "log").glob(f"{system.settings.prefix}{RECOMMENDATIONS.name}-*/*.log")]
