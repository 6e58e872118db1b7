"""K6: workers come, go, die and are replaced one by one, while each person's order is kept."""

import signal
import time
from typing import Any

from tests.chaos.check import answers_of, held_of, longest_gap
from tests.chaos.rig import Rig, System, Worker, judged, spread, wait

RATE = 60.0
AGENTS = ("profiles", "ranker", "learner")
SETTLE_S = 2.0


def rebalanced(rig: Rig) -> dict[str, Any]:
    """K6: two workers of each agent; per round a third comes and one goes, one is killed, and all are replaced."""
    with rig.system("k6") as system:
        workers = {agent: [system.start(agent), system.start(agent)] for agent in AGENTS}
        system.begin(RATE, rig.seed)
        wait("all work", lambda: all_at_work(workers), 90)
        rounds = [one_round(system, workers) for _ in range(rig.size(1, 20))]
        figures = system.finish()
        stalls = [stalled(system, *times) for times in rounds]
    return judged(figures | {"rounds": len(rounds), "stall_s": spread(stalls)})


def at_work(worker: Worker) -> bool:
    """Whether it has finished a poll."""
    return worker.mark("confirmed") is not None


def all_at_work(workers: dict[str, list[Worker]]) -> bool:
    """Whether every worker has finished a poll; one learner has the one partition, the others stand by."""
    return all((any if agent == "learner" else all)(map(at_work, pair)) for agent, pair in workers.items())


def one_round(system: System, workers: dict[str, list[Worker]]) -> tuple[float, float]:
    """Two become three become two, one dies, and all are replaced; gives when it began and ended (wall clock, ms)."""
    began = time.time() * 1000
    for pair in workers.values():  # 2 → 3 → 2
        pair.append(system.start(pair[0].agent))
    settle(system, workers)
    for pair in workers.values():
        leave(system, pair.pop(0), signal.SIGTERM)
    settle(system, workers)
    for pair in workers.values():  # one dies, and comes again
        leave(system, pair.pop(0), signal.SIGKILL)
        pair.append(system.start(pair[0].agent))
    settle(system, workers)
    for pair in workers.values():  # rolling: the new one is there before the old one goes
        pair.append(system.start(pair[0].agent))
    settle(system, workers)
    for pair in workers.values():
        leave(system, pair.pop(0), signal.SIGTERM)
    settle(system, workers)
    return began, time.time() * 1000


def settle(system: System, workers: dict[str, list[Worker]]) -> None:
    """Wait until every worker has had something to do."""
    wait("all work", lambda: all_at_work(workers), 120)
    system.keep_up(SETTLE_S)


def leave(system: System, worker: Worker, sign: signal.Signals) -> None:
    """One worker goes."""
    system.asked_to_end(worker)
    worker.kill(sign)
    worker.process.wait(30)


def stalled(system: System, began: float, ended: float) -> float:
    """Longest time in a round without anything new on a partition of either topic, in seconds."""
    topics = (held_of(system.settings).times, answers_of(system.settings, {}).times)
    within = ({p: [t for t in row if began <= t <= ended] for p, row in times.items()} for times in topics)
    return max(map(longest_gap, within))
