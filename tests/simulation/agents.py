"""The agents as model workers: the steps that run in production, called as the agents call them."""

from collections.abc import Awaitable, Generator, Iterable, Iterator, Sequence
from typing import TypeVar

from msgspec.structs import replace

from encoders.base import Content
from ranker.catalogue.catalogue import Catalogue
from ranker.catalogue.popularity import TrendCounts
from ranker.pipeline.types import Drops, Query, Slate
from ranker.profile.codec import pack, unpack, version_of
from ranker.profile.event_ids import Page, decode_page
from schemas.messages import recommendations, trends, videos
from schemas.messages.recommendations import Item
from schemas.messages.trends import decode_trends
from schemas.messages.videos import CatalogueRecord, Encoded, Upload, Uploads, Withdrawn
from schemas.topics import (
    DEAD_LETTERS,
    EVENT_IDS,
    EXAMPLES,
    FEATURES,
    FEEDBACK,
    PROFILES,
    RECOMMENDATIONS,
    TRENDS,
    UPLOADS,
    Topic,
)
from streams.encoding.step import EmbedStep
from streams.encoding.versions import StoredVersion, stored_version
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.owned_state import text_of
from streams.kafka.records import Record, partition_of
from streams.kafka.sends import Send, Stage
from streams.profiles.feedback_topic import topic_ids
from streams.profiles.state import PartitionState, empty_partition, recovered_event_ids
from streams.profiles.step import TRENDS_LIMIT, ProfilesStep
from streams.ranking.progress import BACK
from streams.ranking.shared_state import SharedState
from streams.ranking.slates import source_offset_of
from streams.ranking.step import RankStep
from tests.simulation.examples import NEVER, examples_of, joined_early
from tests.simulation.learner import LearnerWorker
from tests.simulation.worker import LATE_MS, SETTINGS, Flaw, Worker, batches, posted

AT_ONCE = 4  # small, so that a worker may end between two sends of a poll
SHOWN = 3  # items of a slate
ALWAYS = "always"  # a video that nobody withdraws
T = TypeVar("T")


class Moment:
    """A step of the simulation, to be awaited inside a step of an agent: a worker may end there."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __await__(self) -> Generator[str, None, None]:
        yield self._name


def drive(awaited: Awaitable[T]) -> Generator[str, None, T]:
    """Run a coroutine, and give its moments to the world."""
    return (yield from awaited.__await__())


class ProfilesWorker(Worker):
    """The profiles agent: its step, with its state as OwnedState recovers it."""

    agent, writes = "profiles", PROFILES.name

    def recover(self, owned: list[int]) -> Iterator[str]:
        """Of every person the highest version; of the trends the last record."""
        states = {partition: empty_partition(partition) for partition in owned}
        for record in self.broker.everything(TRENDS.name):
            part = decode_trends(record.value or b"")
            if part.partition in states:
                states[part.partition].trends.restore(part)
        for partition in owned:
            for some in batches(self.broker.read(PROFILES.name, partition), 50):
                self._take(states[partition], some, states[partition].trends.base + self.committed[partition])
                yield "recovering"
        if self.flaw == Flaw.EXAMPLES_AHEAD:
            self.put(examples_of(partition, state) for partition, state in states.items())
        for partition in owned:
            yield from self._recover_event_ids(partition, states[partition])
            yield from self._name_topic(partition, states[partition].trends)
        self.step = ProfilesStep(SETTINGS, states, for_learning=True)
        yield "recovered"

    def _name_topic(self, partition: int, counts: TrendCounts) -> Iterator[str]:
        """Write down of which topic the offsets are that come now, before a profile holds one of them."""
        known = counts.topic_ids
        if self.flaw == Flaw.NO_TOPIC_IDS:
            return
        counts.topic_ids = topic_ids(known, f"{FEEDBACK.name} {self.made}")
        if counts.topic_ids != known:
            record = counts.record(self.broker.now_ms // 1000, TRENDS_LIMIT)
            self.out.put_by_key(TRENDS.name, [Outgoing(str(partition).encode(), trends.encode(record))])
            yield from self.out.confirmed()

    def _recover_event_ids(self, partition: int, state: PartitionState) -> Iterator[str]:
        pages: dict[str, Page] = {}
        for some in batches(self.broker.read(EVENT_IDS.name, partition), 50):
            for record in some:
                pages.pop(text_of(record.key), None)
                if record.value is not None:
                    pages[text_of(record.key)] = decode_page(record.value)
            yield "recovering"
        if self.flaw == Flaw.NO_PAGES:
            return
        versions = {user: version_of(data) for user, data in state.profiles.packed.items()}
        unknown = NEVER if self.flaw == Flaw.PAGES_AHEAD else 0
        held, _ = recovered_event_ids(pages, lambda user: unknown or versions.get(user, 0), lambda *_: True, LATE_MS)
        state.event_ids.update(held)

    def _take(self, state: PartitionState, some: Sequence[Record], since: int) -> None:
        packed = state.profiles.packed
        for record in some:
            user, data = text_of(record.key), record.value or b""
            if self.flaw != Flaw.FORGETS_EXAMPLES:
                state.unconfirmed.note(user, record.headers, since)
            if user in packed and version_of(data) < version_of(packed[user]) and self.flaw != Flaw.LAST_OFFSET_WINS:
                continue
            if self.flaw == Flaw.NO_APPLIED:
                data = pack(replace(unpack(data), applied={}))
            if self.flaw == Flaw.NO_RECENT_IDS:
                data = pack(replace(unpack(data), recent_ids=b""))
            packed[user] = data

    def handle(self, poll: dict[int, list[Record]]) -> Iterator[str]:
        """Apply a poll; dead letters go first, for a profile hides what it refused."""
        if self.flaw == Flaw.NO_ORIGIN:
            poll = {partition: [one._replace(headers=()) for one in records] for partition, records in poll.items()}
        topics = [((FEEDBACK.name, partition), records) for partition, records in poll.items()]
        outcome = self.step.apply(topics, self.broker.partitions)
        letters = [Send(DEAD_LETTERS.name, None, [*map(posted, outcome.dead_letters)])]
        yield "folded"
        for stage in self._flawed([letters, *outcome.stages]):
            self.put(stage)
            yield from self.out.confirmed()

    def _flawed(self, stages: Sequence[Stage]) -> Sequence[Stage]:
        """The stages, dead letters first and profiles last, with the mistake that the worker was given."""
        if self.flaw == Flaw.DROPS_ASTRAY:
            return [[send for send in stage if send.topic != FEEDBACK.name] for stage in stages]
        if self.flaw == Flaw.LETTERS_TOGETHER:
            return [*stages[1:-1], [*stages[0], *stages[-1]]]
        if self.flaw == Flaw.JOINS_EARLY:
            return [[joined_early(send) if send.topic == EXAMPLES.name else send for send in one] for one in stages]
        return stages

    def version_of(self, value: bytes) -> int:
        """A profile's version."""
        return unpack(value).version


class EncoderWorker(Worker):
    """The encoding agent: its step, with an embedder that keeps the title only."""

    agent, writes = "encoder", FEATURES.name

    def recover(self, owned: list[int]) -> Iterator[str]:
        """Of every video its newest version."""
        self.versions: dict[int, dict[str, StoredVersion]] = {p: {} for p in owned}
        for partition in owned:
            for some in batches(self.broker.read(FEATURES.name, partition), 20):
                for record in some:
                    version, mine = stored_version(record.value or b""), self.versions[partition]
                    known = mine.get(key := text_of(record.key))
                    if self.flaw != Flaw.FORGETS_TIMES and (known is None or version.order >= known.order):
                        mine[key] = version
                yield "recovering"
        self.step = EmbedStep(SETTINGS, embedded, None, self._versions_of)
        yield "recovered"

    def _versions_of(self, video_id: str) -> dict[str, StoredVersion]:
        """Versions of a partition that may be another worker's, as OwnedState has it."""
        return self.versions.get(partition_of(video_id.encode(), self.broker.partitions), {})

    def handle(self, poll: dict[int, list[Record]]) -> Iterator[str]:
        """Embed what is not outdated."""
        for some in batches([record for batch in poll.values() for record in batch], AT_ONCE):
            outcome = yield from drive(self.step.apply(some, self.broker.partitions))
            self.out.put_by_key(DEAD_LETTERS.name, map(posted, outcome.dead_letters))
            yield from self.out.confirmed()
            self.put(self.step.sends(outcome))
            yield from self.out.confirmed()

    def version_of(self, value: bytes) -> int:
        """The event time of an upload or a withdrawal."""
        return videos.decode_time(value)


class FlawedRankStep(RankStep):
    """The ranking step with the mistake that the worker was given."""

    flaw: Flaw | None = None

    def newest(self, records: Iterable[Record]) -> list[Record]:
        """Each person's newest record, unless that is the mistake."""
        if self.flaw == Flaw.SLATES_OUT_OF_ORDER:
            return super().newest(records)[::-1]
        if self.flaw == Flaw.ANSWERS_OLDEST:
            return super().newest(reversed([*records]))
        return super().newest(records)


class RankerWorker(Worker):
    """The ranking agent: its step and its shared state, with three videos in turn for a pipeline."""

    agent, writes = "ranker", RECOMMENDATIONS.name

    def recover(self, owned: list[int]) -> Iterator[str]:
        """Up to which profile each partition is answered, by the tail of the slates; and a catalogue of its own."""
        self.upto: dict[int, int] = {}
        for partition in owned:
            back = max(0, self.broker.ends[RECOMMENDATIONS.name, partition] - BACK)
            tail = self.broker.read(RECOMMENDATIONS.name, partition, back)
            self.upto[partition] = max(map(source_offset_of, tail), default=-1)
            yield "recovering"
        self.shared = SharedState(SETTINGS, Catalogue(dim=1))
        self.followed: dict[tuple[str, int], int] = {}
        self.step = FlawedRankStep(
            SETTINGS,
            self.shared,
            self._recommend,
            {},
            now_ms=lambda: self.broker.now_ms,
            wait_until_current=self._wait_until_current,
        )
        self.step.flaw = self.flaw
        yield "recovered"

    def handle(self, poll: dict[int, list[Record]]) -> Iterator[str]:
        """Rank each person once per poll, by their newest profile."""
        self.follow()
        while ALWAYS not in self.shared.catalogue.row_of:  # else withdrawals may empty a slate, and that is not sent
            yield "waiting"
            self.follow()
        topics = [((PROFILES.name, partition), records) for partition, records in poll.items()]
        for records in self.step.batches(topics, lambda record: record.offset <= self.upto[record.partition], AT_ONCE):
            outcome = yield from drive(self.step.apply(records))
            self.out.put_by_key(DEAD_LETTERS.name, map(posted, outcome.dead_letters))
            self.put(self.step.sends(outcome.answers))
            yield from self.out.sent()
        if self.flaw != Flaw.LEAVES_SLATES:
            yield from self.out.confirmed()

    async def _wait_until_current(self) -> bool:
        await Moment("ranked")
        return not self.follow()

    def follow(self) -> bool:
        """Take in what the other agents have written since, if anything."""
        found = False
        for topic in (FEATURES.name, TRENDS.name):
            for partition in range(self.broker.partitions):
                if new := self.broker.read(topic, partition, self.followed.get((topic, partition), 0)):
                    self.followed[topic, partition] = new[-1].offset + 1
                    self.shared.apply(new)
                    found = True
        return found

    async def _recommend(self, queries: Sequence[Query]) -> list[Slate]:
        return [self._slate(query) for query in queries]

    def _slate(self, query: Query) -> Slate:
        ids = sorted(self.shared.catalogue.row_of.keys() - {ALWAYS})
        turned = [ALWAYS, *(ids[(query.version + n) % len(ids)] for n in range(min(SHOWN, len(ids))))]
        items = [Item(rank, one, 1 / rank, {}, 1.0, ["turn"], []) for rank, one in enumerate(turned, 1)]
        return Slate(query.user_id, query.version, items, Drops((), ()))

    def version_of(self, value: bytes) -> int:
        """A slate's version."""
        return recommendations.decode_recommendation(value).version


async def embedded(uploads: Sequence[Uploads], _: Sequence[Content | None]) -> list[CatalogueRecord]:
    """What an embedder makes of uploads and withdrawals."""
    await Moment("encoded")
    return [
        Encoded(video_id=one.video_id, at_ms=one.at_ms, title=one.title)
        if isinstance(one, Upload)
        else Withdrawn(video_id=one.video_id, at_ms=one.at_ms)
        for one in uploads
    ]


AGENTS: dict[str, type[Worker]] = {
    one.agent: one for one in (ProfilesWorker, EncoderWorker, RankerWorker, LearnerWorker)
}
SOURCES: dict[str, Topic] = {"profiles": FEEDBACK, "encoder": UPLOADS, "ranker": PROFILES, "learner": EXAMPLES}
