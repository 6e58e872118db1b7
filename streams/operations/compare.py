"""A comparison on a recorded log: two sides and the exposures, line by line, folded into counts."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf

from ranker.evaluation.slate_comparison import Comparison, compare
from ranker.evaluation.slate_counts import SIDES, Pair, SlateCounts
from ranker.profile.example import Example
from schemas.messages.erasures import Erasure
from schemas.messages.recommendations import Recommendation
from schemas.settings.model import Settings
from schemas.topics import UPLOADS
from streams.errors import OperatorError
from streams.logs.chosen import Chosen
from streams.logs.jsonl import Fault, Line
from streams.logs.replay import Replay
from streams.operations.compared_sides import Clock, ReplayedSide, Side, WrittenSide, new_replay, open_side
from streams.operations.log_learner import LogExamples


@dataclass
class Moment:
    """What is known of a line that is not counted yet."""

    examples: list[tuple[str, Example]]
    erased: str | None = None
    slates: dict[str, Recommendation] = field(default_factory=dict)  # by side


class LogComparison:
    """One pass over a log; no more slates are held than are computed together.

    places    what A and B are, as `open_side` takes them
    settings  of what those leave open
    """

    def __init__(
        self, settings: Settings, places: tuple[str, str], chosen: Chosen, *, learning: bool, clock: Clock
    ) -> None:
        a, b = (open_side(place, settings, chosen, learning=learning, clock=clock) for place in places)
        self.sides: dict[str, Side] = dict(zip(SIDES, (a, b), strict=True))
        self._examples = LogExamples(settings)
        replays = [side.replay for side in (a, b) if isinstance(side, ReplayedSide)]
        self._bystander: Replay | None = (
            None  # where both sides are files, a replay that ranks nobody: its catalogue is asked
        )
        if not replays:
            self._bystander = new_replay(settings, lambda *_: False)
            replays = [self._bystander]
        self.catalogue = replays[0].catalogue  # of A where it is replayed, so that both are measured alike
        self.counts = SlateCounts(self.catalogue)
        self._open: dict[int, Moment] = {}  # by line, in order

    async def run(self, lines: Iterable[Line | Fault]) -> None:
        """Read the log to its end."""
        for line in lines:
            self._note(line)
            for name, side in self.sides.items():
                self._put(name, await side.take(line))
            if self._bystander:
                [_ async for _ in self._bystander.take(line)]
            self._count_until(min(self._waits_from(side) for side in self.sides.values()))
        for name, side in self.sides.items():
            self._put(name, await side.close())
        self._count_until(inf)

    def result(self, draws: int) -> Comparison:
        """The figures of both sides, and how they differ."""
        if not self.counts.slates:
            raise OperatorError(*self._nothing())
        return compare(
            self.counts, self.catalogue, {key: side.name for key, side in self.sides.items()}, self._cpu_ms(), draws
        )

    def _nothing(self) -> tuple[str, str, int]:
        written = [side.name for side in self.sides.values() if isinstance(side, WrittenSide)]
        if written:
            return (
                "No event of the log has a slate of both sides.",
                f"Is {' or '.join(written)} of this log? Choose another --from or a larger --sample otherwise.", 2,
            )  # fmt: skip
        return "No event of the log has a slate of both sides.", "Choose another --from or a larger --sample.", 1

    def _cpu_ms(self) -> dict[str, float | None]:
        made = {name: self.counts.slates + self.counts.alone[name] for name in self.sides}
        return {
            name: None if side.seconds is None else 1000 * side.seconds / made[name]
            for name, side in self.sides.items()
        }

    def _note(self, line: Line | Fault) -> None:
        """Remember what a line says until both sides are past it."""
        if isinstance(line, Fault) or line.topic is UPLOADS:
            return
        erased = line.message.user_id if isinstance(line.message, Erasure) else None
        self._open[line.number] = Moment(self._examples.take(line), erased)

    def _put(self, name: str, slates: Iterable[Recommendation]) -> None:
        for slate in slates:
            if (moment := self._open.get(slate.trigger.offset)) is not None:
                moment.slates[name] = slate

    def _waits_from(self, side: Side) -> float:
        first = side.waits_from()
        return inf if first is None else first

    def _count_until(self, number: float) -> None:
        """Count all lines before this one: their slates are there, or will never be."""
        while self._open and (first := next(iter(self._open))) < number:
            self._count(self._open.pop(first))

    def _count(self, moment: Moment) -> None:
        for user_id, example in moment.examples:
            self.counts.meet(user_id, example)
        if moment.erased is not None:
            self.counts.forget(moment.erased)
        pair = [moment.slates[name] for name in SIDES if name in moment.slates]
        if len(pair) == len(SIDES):
            self.counts.show(pair[0].user_id, Pair(*pair))
        for name in moment.slates if len(pair) == 1 else ():
            self.counts.alone[name] += 1
