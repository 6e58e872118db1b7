"""K1, K2, K3, K7: workers killed at every step, while they recover, asked to stop, and frozen past their session."""

import random
import signal
import time
from collections import deque
from typing import Any

from schemas.topics import FEEDBACK
from tests.chaos.rig import Crash, Rig, System, Worker, judged, spread, wait
from tests.chaos.topics import committed
from tests.chaos.worker import BETWEEN, MORE_STEPS, RECOVER, STEPS

RATE = 100.0  # events/s; two cores also run the broker and up to three workers that start again and again
ROUNDS = {"profiles": (1, 10), "ranker": (1, 10), "encoder": (1, 9), "learner": (1, 9)}  # short round, long round
STEP_S = 600.0  # within this time a worker reaches its step, or the step is never reached; rankers wait for others
LEARNER_STOPS = {"apply": "apply", "state": BETWEEN, "produce": "produce", "ack": "ack"}  # where K7 stops a learner
MOST_CALLS = {"profiles": 12, "ranker": 12, "encoder": 3, "learner": 8}  # how many polls a worker lives at most, drawn


def killed_at_every_step(rig: Rig) -> dict[str, Any]:
    """K1: each agent dies again and again, at each step; all of them at the same time."""
    with rig.system("k1", encoder=True) as system:
        plans = {agent: crashes(rig.seed, agent, rig.size(*rounds)) for agent, rounds in ROUNDS.items()}
        kills = sum(map(len, plans.values()))
        system.begin(RATE, rig.seed)
        missed = go_through(system, plans)
        figures = system.finish()
        figures["recovery_s"] = spread(system.recoveries())
    return judged(figures | {"kills": kills - len(missed)}, *missed)


def steps_of(agent: str) -> tuple[str, ...]:
    """The steps at which an agent is killed."""
    return (*STEPS, *MORE_STEPS.get(agent, ()))


def crashes(seed: int, agent: str, rounds: int) -> deque[Crash | None]:
    """Every step so many times, in a drawn order."""
    chance = random.Random(f"{seed} {agent}")
    drawn: list[Crash | None] = []
    for _ in range(rounds):
        for step in chance.sample(steps := steps_of(agent), len(steps)):
            most = 2 if step == "commit" else MOST_CALLS[agent]  # a commit comes once a second
            drawn.append(Crash(step, chance.randrange(1, most + 1)))
    return deque(drawn)


def go_through(system: System, plans: dict[str, deque[Crash | None]]) -> list[str]:
    """Start each agent, and start it again with its next crash whenever it has died; the last ones live."""
    current = {agent: system.start(agent, plan.popleft()) for agent, plan in plans.items()}
    missed: list[str] = []
    while any(worker.crash for worker in current.values()):
        for agent, worker in current.items():
            late = worker.crash is not None and time.monotonic() - worker.started_s > STEP_S
            if late and worker.alive():
                missed.append(f"{agent} did not reach {worker.crash}")
                worker.kill()
            if worker.crash is not None and not worker.alive():
                if worker.process.returncode != -signal.SIGKILL:
                    missed.append(f"{agent} ended with {worker.process.returncode} before {worker.crash}")
                    if len(missed) > 3:
                        raise RuntimeError(f"{missed[-1]}: {worker.said()[-500:]}")
                current[agent] = system.start(agent, plans[agent].popleft() if plans[agent] else None)
        system.keep_up(0.05)
    return missed


def killed_while_recovering(rig: Rig) -> dict[str, Any]:
    """K2: killed with work in hand, then twice while the state is read back."""
    with rig.system("k2") as system:
        system.start("ranker")
        system.begin(RATE, rig.seed)
        twice: list[Crash | None] = [Crash("flush", 8), Crash(RECOVER), Crash(RECOVER)]
        missed = go_through(system, {agent: deque(twice * rig.size(1, 3)) for agent in ("profiles", "learner")})
        figures = system.finish()
        figures["recovery_s"] = spread(system.recoveries())
    return judged(figures, *missed)


def asked_to_stop(rig: Rig) -> dict[str, Any]:
    """K3: SIGTERM under load ends in order; a second one forces the end."""
    broken: list[str] = []
    took: list[float] = []
    with rig.system("k3", proxied=True) as system:
        system.start("ranker")
        system.begin(RATE, rig.seed)
        for _ in range(rig.size(2, 10)):
            worker = system.start("profiles")
            wait("it works", lambda one=worker: one.mark("confirmed") is not None)  # type: ignore[misc]
            system.keep_up(1.0)
            took.append(stopped(system, worker, broken))
            done, held = committed(system.settings, "profiles", FEEDBACK), applied(system)
            if any(done.get(partition, 0) < offset + 1 for partition, offset in held.items()):
                broken.append(f"committed {done} but applied {held}")
        forced = second_signal(rig, system, broken)
        system.start("profiles")
        figures = system.finish()
    if figures["profile_repeats"]:
        broken.append(f"{figures['profile_repeats']} profiles written twice after an orderly stop")
    return judged(figures | {"stop_s": spread(took), "forced_s": forced}, *broken)


def stopped(system: System, worker: Worker, broken: list[str]) -> float:
    """Seconds that an orderly end took."""
    began = time.monotonic()
    system.asked_to_end(worker)
    worker.kill(signal.SIGTERM)
    while worker.alive() and time.monotonic() < began + 20:
        system.keep_up(0.05)
    took = round(time.monotonic() - began, 1)
    if worker.process.returncode != 0 or took > 15:
        broken.append(f"SIGTERM ended it with {worker.process.returncode} after {took} s")
    if worker.alive():
        worker.kill()
    return took


def second_signal(rig: Rig, system: System, broken: list[str]) -> float:
    """With the broker in a black hole an orderly end may take its time; the second SIGTERM does not."""
    worker = system.start("profiles")
    wait("it works", lambda: worker.mark("confirmed") is not None)
    system.asked_to_end(worker)
    with rig.proxy.broken("blackhole"):
        time.sleep(1.0)
        worker.kill(signal.SIGTERM)
        time.sleep(1.0)
        began = time.monotonic()
        if worker.alive():
            worker.kill(signal.SIGTERM)
        while worker.alive() and time.monotonic() < began + 15:
            time.sleep(0.05)
        took = round(time.monotonic() - began, 1)
    if worker.alive():
        broken.append("a second SIGTERM did not end it within 15 s")
        worker.kill()
    return took


def applied(system: System) -> dict[int, int]:
    """Newest feedback offset that profiles.v1 reflects, by partition."""
    from tests.chaos.check import held_of

    found: dict[int, int] = {}
    for profile in held_of(system.settings).profiles.values():
        for partition, offset in profile.applied.items():
            found[partition] = max(offset, found.get(partition, -1))
    return found


def frozen(rig: Rig) -> dict[str, Any]:
    """K7: workers are stopped in the middle of a poll, others take over, and then the first ones wake up."""
    nap_s = rig.size(7.0, 70.0)
    naps = 0
    with rig.system("k7") as system:
        system.begin(RATE, rig.seed)
        for step in rig.size(("state", "produce"), ("apply", "state", "produce", "ack")):
            zombies = [system.start(agent, Crash(step, 20, "SIGSTOP")) for agent in ("profiles", "ranker")]
            zombies.append(system.start("learner", Crash(LEARNER_STOPS[step], 12, "SIGSTOP")))
            heirs = [heir_of(system, zombie) for zombie in zombies]
            system.keep_up(nap_s)
            for zombie in zombies:
                zombie.kill(signal.SIGCONT)
            naps += len(zombies)
            system.keep_up(rig.size(4.0, 10.0))
            for worker in zombies + heirs:
                system.asked_to_end(worker)
                worker.kill(signal.SIGTERM)
            for worker in zombies + heirs:
                worker.process.wait(60)
        for agent in ("profiles", "ranker", "learner"):
            system.start(agent)
        figures = system.finish()
    return judged(figures | {"frozen": naps}, falls=True)  # their late records lie in the log, newer ones behind them


def heir_of(system: System, zombie: Worker) -> Worker:
    """Wait until a worker has stopped, start another, and wait until that one has taken over."""
    wait(f"{zombie.agent} stops at {zombie.crash}", lambda: zombie.mark("end") is not None)
    heir = system.start(zombie.agent)
    wait("another takes over", lambda: heir.mark("confirmed") is not None)
    return heir
