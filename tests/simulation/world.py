"""One run: publishers and workers take turns, chance kills and freezes them, in the end the promises are checked."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np

from ranker.learning import learner, model
from ranker.learning.gate import Gate
from ranker.learning.model import Prediction, Shown
from ranker.learning.parameters import Floats, Parameters, Rows
from ranker.profile import event_ids, fold
from ranker.profile.outcomes import HEADS
from schemas.topics import EVENT_IDS, FEATURES, FEEDBACK, PROFILES, RECOMMENDATIONS, TRENDS, WEIGHTS
from tests.simulation.agents import AGENTS, SOURCES
from tests.simulation.broker import LAG_MS, SESSION_MS, Broker, Group
from tests.simulation.check import check
from tests.simulation.traffic import Publisher
from tests.simulation.truth import Breach, Truth
from tests.simulation.worker import Flaw, Worker

COMPACTED = tuple(one.name for one in (PROFILES, EVENT_IDS, FEATURES, RECOMMENDATIONS, TRENDS, WEIGHTS))
FAULTS = ("kill", "kill", "kill", "freeze", "freeze", "freeze", "freeze", "stop", "start", "night", "made again")
IDLE = ("idle", "joining")  # steps at which a fault shows little
MOST_TURNS = 40_000
MOST_WORKERS = 3
QUIET_ROUNDS = 3  # of all workers with nothing to do, before all counts as done


Model = Callable[..., Any]  # a function of the model


@dataclass
class Outcome:
    """What a seed came to."""

    seed: int
    breaches: list[Breach]
    turns: int = 0
    faults: Counter[str] = field(default_factory=Counter)  # e.g. "kill profiles at sent"


@dataclass
class Actor:
    """A worker with its life, the step at which it stands, and until when it is frozen."""

    worker: Worker
    life: Iterator[str]
    step: str = "started"
    frozen_until_ms: int = 0


class World:
    """A broker, a publisher and up to three workers of each agent."""

    def __init__(self, seed: int, flaw: Flaw | None, troubled: str | None, keyless_uploads: bool) -> None:
        self.rng = Random(seed)
        self.flaw = flaw
        self.broker = Broker(self.rng.choice((1, 2, 4)))
        self.truth = Truth(self.broker)
        self.groups = {agent: Group(self.broker, source) for agent, source in SOURCES.items()}
        self.groups["profiles"].on_commit = self.truth.folded
        self.groups["ranker"].on_commit = self.truth.ranked
        self.publisher = Publisher(self.broker, self.rng, keyless_uploads)
        self.actors: list[Actor] = []
        self.outcome = Outcome(seed, self.truth.breaches)
        self.trouble = 0.3 if troubled else self.rng.choice((0.0, 0.05, 0.15, 0.3))
        self.troubled = troubled or self.rng.choice(tuple(AGENTS))
        self._started = 0
        for agent in AGENTS:
            for _ in range(self.rng.randint(1, 2)):
                self.start(agent)

    def run(self) -> Outcome:
        """Let all happen, let it settle, ask; and once more after one event of each person, when all is known."""
        for _ in self.publisher.live():
            for _ in range(self.rng.choice((0, 0, 4, 8))):
                self.turn(self._next())
            if self.rng.random() < self.trouble:
                self.fault()
        self.settle()
        for user in sorted(self.truth.users):
            self.publisher.event(user, self.broker.now_ms)
        self.settle()
        if not self.outcome.breaches:
            check(self.broker, self.truth, self.publisher, all_known=True)
        return self.outcome

    def _next(self) -> Actor:
        """Whose turn it is; the agent that is in trouble is slow as well, so that its polls are long."""
        actor = self.rng.choice(self.actors)
        return self.rng.choice(self.actors) if actor.worker.agent == self.troubled else actor

    def start(self, agent: str) -> None:
        """Start one more worker of an agent."""
        self._started += 1
        worker = AGENTS[agent](f"{agent}-{self._started}", self.broker, self.groups[agent], self.rng, self.flaw)
        self.actors.append(Actor(worker, worker.live()))

    def turn(self, actor: Actor) -> None:
        """One step of one worker, unless it is frozen; a little time passes."""
        self.outcome.turns += 1
        self._pass(1000 if actor.step == "joining" else 20 + int(980 * self.rng.random()))
        if actor.frozen_until_ms > self.broker.now_ms:
            return
        self.wake(actor)
        step = next(actor.life, None)
        if step is None:
            self.actors.remove(actor)
            self._see_that_somebody_works(actor.worker.agent)
        else:
            actor.step = step

    def _pass(self, ms: int) -> None:
        self.broker.now_ms += ms
        for group in self.groups.values():
            if group.awaited:
                group.give_up()

    def wake(self, actor: Actor) -> None:
        """Let a frozen worker go on where it stood; if it was away for too long, it finds out by itself."""
        if actor.frozen_until_ms:
            self.groups[actor.worker.agent].heard(actor.worker.name)
            actor.frozen_until_ms = 0

    def fault(self) -> None:
        """Something that happens to workers and brokers."""
        likely = [actor for actor in self.actors if actor.step not in IDLE and actor.worker.agent == self.troubled]
        actor = self.rng.choice(likely if likely and self.rng.random() < 0.8 else self.actors)
        agent, kind = actor.worker.agent, self.rng.choice(FAULTS)
        self.outcome.faults[f"{kind} {agent} at {actor.step}"] += 1
        if kind == "kill":
            self.groups[agent].hush(actor.worker.name)
            self.actors.remove(actor)
            self._see_that_somebody_works(agent)
        elif kind == "freeze":
            self.groups[agent].hush(actor.worker.name)
            actor.frozen_until_ms = self.broker.now_ms + self.rng.choice((2000, 20_000, 10**9))
        elif kind == "stop":
            actor.worker.stopping = True
        elif kind == "start" and sum(one.worker.agent == agent for one in self.actors) < MOST_WORKERS:
            self.start(agent)
        elif kind == "night":
            self.night()
        elif kind == "made again" and not self.broker.made[FEEDBACK.name]:
            self.make_feedback_again()

    def _see_that_somebody_works(self, agent: str) -> None:
        if not any(one.worker.agent == agent for one in self.actors):
            self.start(agent)

    def night(self) -> None:
        """Nobody publishes: who is awake finishes, compaction takes what is old, and the promises are checked."""
        self.quiesce()
        self.broker.now_ms += LAG_MS + 1
        for topic in COMPACTED:
            self.broker.compact(topic)
        if not self.outcome.breaches:
            check(self.broker, self.truth, self.publisher)

    def make_feedback_again(self) -> None:
        """When all is taken in, somebody deletes feedback and makes it again; who is awake notices."""
        self.quiesce()
        self.broker.make_again(FEEDBACK.name)
        self.truth.feedback_made_again()
        for actor in self.actors:
            if actor.worker.agent == "profiles" and not actor.frozen_until_ms:
                self.turn(actor)
        self.quiesce()

    def quiesce(self) -> None:
        """Take turns until all who are awake have had nothing to do for a while."""
        quiet = 0
        while quiet < QUIET_ROUNDS:
            awake = [actor for actor in self.actors if not actor.frozen_until_ms]
            self.rng.shuffle(awake)
            for actor in awake:
                self.turn(actor)
            quiet = 0 if self._is_busy() else quiet + 1
            if self.outcome.turns > MOST_TURNS:
                self.truth.say("STUCK", f"{[(one.worker.name, one.step) for one in self.actors]}")
                return

    def _is_busy(self) -> bool:
        """Whether a worker has work, or a partition none; the silent are given up first."""
        awake = [actor for actor in self.actors if not actor.frozen_until_ms]
        if any(group.awaited for group in self.groups.values()):
            self._pass(SESSION_MS)
            return True
        for agent in AGENTS.keys() - {actor.worker.agent for actor in awake}:
            self.start(agent)
            return True
        return any(actor.step != "idle" for actor in awake) or not all(group.stable for group in self.groups.values())

    def settle(self) -> None:
        """The frozen wake, all is finished, and a night passes."""
        for actor in self.actors:
            self.wake(actor)
        self.quiesce()
        self.night()


def simulate(
    seed: int, flaw: Flaw | None = None, troubled: str | None = None, keyless_uploads: bool = False
) -> Outcome:
    """Run one seed to its end; `troubled` is the agent that gets most of the faults, and many, instead of chance's."""
    with small_pages(), counting():
        return World(seed, flaw, troubled, keyless_uploads).run()


@contextmanager
def small_pages() -> Iterator[None]:
    """Pages of 4 event ids instead of 64, so that a seed's few events fill some."""
    before = event_ids.PAGE_IDS
    try:
        _cut_pages_to(4)
        yield
    finally:
        _cut_pages_to(before)


def _cut_pages_to(count: int) -> None:
    event_ids.PAGE_IDS = count
    event_ids.PAGE_BYTES = fold.PAGE_BYTES = count * event_ids.ID_BYTES  # type: ignore[attr-defined]


@contextmanager
def counting() -> Iterator[None]:
    """Learn counts alone, judged by no gate: the rest takes most of the time, and what is lost shows without it."""
    before = learner.predict, model.learn_effects, model.learn_weights, Gate.note
    try:
        _learn_by(_unpredicted, _rows_alone, _nothing, _nothing)
        yield
    finally:
        _learn_by(*before)


def _learn_by(predict: Model, effects: Model, weights: Model, note: Model) -> None:
    learner.predict = predict  # type: ignore[attr-defined]
    model.learn_effects, model.learn_weights, Gate.note = effects, weights, note  # type: ignore[method-assign]


def _rows_alone(effect: Floats, variance: Floats, rows: Rows, *_: object) -> Rows:
    return np.unique(rows)


def _nothing(*_: object) -> None:
    pass


def _unpredicted(parameters: Parameters, shown: Sequence[Shown], *, grow: bool) -> Prediction:
    nothing = np.zeros((len(shown), len(HEADS)))
    rows = parameters.rows((one.exposure for one in shown), grow=grow)
    return Prediction(rows, np.zeros((*nothing.shape, parameters.weights.shape[1])), nothing, nothing)


def command(seed: int, flaw: Flaw | None = None, troubled: str | None = None) -> str:
    """How to run a seed again."""
    options = (f" --flaw {flaw.name}" if flaw else "") + (f" --troubled {troubled}" if troubled else "")
    return f"python -m tests.simulation --from {seed} --seeds 1{options}"
