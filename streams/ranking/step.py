"""The ranking step: changed profiles to slates.

It knows no Kafka; the clock and the wait for current shared state are handed in. The agent, a replay and the crash
simulation call it.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import NamedTuple, TypeVar

from ranker.pipeline.post_filter import drop_unavailable
from ranker.pipeline.types import PRESENT, Query, Slate
from ranker.profile.codec import unpack
from ranker.profile.model import Profile
from schemas.messages import recommendations
from schemas.messages.dead_letters import DeadLetter, Reason
from schemas.messages.fields import ID_BYTES
from schemas.messages.recommendations import Recommendation
from schemas.settings.model import Settings
from schemas.topics import RECOMMENDATIONS
from streams.dead_letters.validation import dead_letter
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.owned_state import text_of
from streams.kafka.records import Polled, Record
from streams.kafka.sends import Send
from streams.ranking.shared_state import SharedState
from streams.ranking.slates import Times, recommendation, source_headers

RANK_BATCH_SIZE = 64  # profiles that are ranked together; other tasks run between two batches

NO_MOMENTS: Mapping[int, int] = {}
T = TypeVar("T")
Recommend = Callable[[Sequence[Query]], Awaitable[list[Slate]]]


async def at_once() -> bool:
    """The wait of a caller whose shared state is always current."""
    return True


class Answer(NamedTuple):
    """A record of profiles.v1 and its slate; None where the person was erased."""

    record: Record
    slate: Recommendation | None


@dataclass
class RankOutcome:
    """What a batch of changed profiles came to."""

    dead_letters: list[DeadLetter] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)


class RankStep:
    """Ranks people by their changed profiles.

    recommend           one slate a query, in order: a pipeline's
    models              names and versions of what does not change, as they stand in each slate
    now_ms              Unix time in ms; 0 in a replay, which knows no time
    wait_until_current  returns when the shared state knows all withdrawals and erasures up to some seconds ago;
                        True where it knew them already
    """

    def __init__(
        self,
        settings: Settings,
        shared: SharedState,
        recommend: Recommend,
        models: Mapping[str, str],
        *,
        now_ms: Callable[[], float] = lambda: 0.0,
        wait_until_current: Callable[[], Awaitable[bool]] = at_once,
    ) -> None:
        self._shared, self._recommend, self._models = shared, recommend, models
        self._now_ms, self._wait_until_current = now_ms, wait_until_current
        self._seed, self._topic = settings.seed, RECOMMENDATIONS.full(settings.prefix)

    def batches(
        self, poll: Polled, is_answered: Callable[[Record], bool], size: int = RANK_BATCH_SIZE
    ) -> Iterator[Sequence[Record]]:
        """What of a poll has to be answered and is not yet, the partitions by turns, in batches."""
        newest = [self.newest([r for r in records if not is_answered(r)]) for _, records in poll]
        records = by_turns(newest)
        return (records[start : start + size] for start in range(0, len(records), size))

    def newest(self, records: Iterable[Record]) -> list[Record]:
        """Each person's newest profile, and every tombstone: whoever waits for an erasure waits for its null slate.

        In changelog order, so the last answered offset says what is answered.
        """
        last, tombstones = dict[bytes | None, Record](), list[Record]()
        for record in records:
            last[record.key] = record
            if record.value is None:
                tombstones.append(record)
        newest = (record for record in last.values() if record.value is not None)
        return sorted((*tombstones, *newest), key=lambda record: record.offset)

    async def apply(self, records: Sequence[Record], moments: Mapping[int, int] = NO_MOMENTS) -> RankOutcome:
        """One slate for each readable profile that may be shown anything, in the order of the records.

        moments  places among the catalogue's moments by the offset of a record; without one it is of the last tick
        """
        outcome, readable = RankOutcome(), []
        for record in records:
            try:
                readable.append((record, profile_of(record)))
            except ValueError as error:
                outcome.dead_letters.append(dead_letter(record, Reason.INTERNAL, str(error)))
        queries = [
            self._query(record, profile, moments.get(record.offset, PRESENT))
            for record, profile in readable
            if profile is not None
        ]
        slates = await self._recommend(queries)
        await self._wait_until_current()  # what is withdrawn by now is dropped
        outcome.answers = [*self._answers(readable, slates)]
        while not await self._wait_until_current():  # the process was frozen meanwhile
            outcome.answers = [*self._answers(readable, slates)]
        return outcome

    def _answers(self, readable: Iterable[tuple[Record, Profile | None]], slates: Iterable[Slate]) -> Iterator[Answer]:
        left = iter(slates)
        for record, profile in readable:
            slate = None if profile is None else self._finished(record, profile, next(left))
            if profile is None or slate is not None:
                yield Answer(record, slate)

    def sends(self, answers: Iterable[Answer], topic_id: str = "") -> list[Send]:
        """Answers as records on their profiles' partitions; a null slate says that the person was erased.

        topic_id  of the profiles' topic: what is answered by its offsets is not by those of one that was made again
        """
        by_partition: dict[int, list[Outgoing]] = {}
        for answer in answers:
            by_partition.setdefault(answer.record.partition, []).append(_outgoing(answer, topic_id))
        return [Send(self._topic, partition, slates) for partition, slates in by_partition.items()]

    def _query(self, record: Record, profile: Profile, moment: int) -> Query:
        return Query(text_of(record.key), profile.version, profile.newest_ms, profile, self._seed, moment)

    def _finished(self, record: Record, profile: Profile, slate: Slate) -> Recommendation | None:
        """A slate as it goes out; None where nothing may be shown, or the person's erasure is on its way here."""
        shown, origin = drop_unavailable(slate, self._shared.catalogue), profile.origin
        if origin is None or not shown.items or self._shared.erasures.refuses(slate.user_id, origin.at_ms):
            return None
        now_ms, spent_ms = self._now_ms(), sum(slate.timings_ms.values())
        times = Times(int(now_ms), max(0.0, now_ms - record.timestamp - spent_ms), record.timestamp)
        return recommendation(shown, profile, self._models, times)


def profile_of(record: Record) -> Profile | None:
    """The profile of a record, None where the person was erased; a ValueError says why it cannot be used."""
    if len(record.key or b"") > ID_BYTES:  # a slate has the same key, and has to fit into a record with it
        raise ValueError(f"the key is longer than {ID_BYTES} bytes, so that it is nobody's id")
    if record.value is None:
        return None
    profile = unpack(record.value)
    if profile.origin is None:
        raise ValueError("the profile has taken in no event")
    return profile


def by_turns(partitions: Iterable[Sequence[T]]) -> list[T]:
    """One record of each partition after the other, so that no partition waits for all of another.

    >>> by_turns([["a", "b", "c"], ["x"]])
    ['a', 'x', 'b', 'c']
    """
    return [record for turn in zip_longest(*partitions) for record in turn if record is not None]


def _outgoing(answer: Answer, topic_id: str) -> Outgoing:
    value = None if answer.slate is None else recommendations.encode(answer.slate)
    return Outgoing(answer.record.key, value, source_headers(answer.record, topic_id))
