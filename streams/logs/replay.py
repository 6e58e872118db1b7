"""Replay: the agents' steps over a recorded log, without a broker, and the same bytes every time.

Total order is the order of the lines. Each applied event gets a slate, computed from its person's profile right after
it and the shared state at the last tick (one second of event time). `batch` says only how many slates are computed
together, also of several ticks where only counts differ between them; `partitions` only where a person's profile lies.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from encoders.base import Content
from encoders.embedder import VideoEmbedder
from ranker.catalogue.catalogue import Catalogue
from ranker.catalogue.entry import VideoFacts, facts_of
from ranker.feeds.feed import FeedContext
from ranker.feeds.load import build_feed, learned_of
from ranker.learning.learner import NO_FACTS, Learner
from ranker.profile.example import Example
from ranker.profile.model import Profile
from ranker.retrieval.exact import ExactIndex
from schemas.messages import videos
from schemas.messages.recommendations import Recommendation
from schemas.messages.videos import CatalogueRecord, Encoded, Uploads
from schemas.settings.model import Settings
from schemas.topics import ERASURES, PROFILES, UPLOADS
from streams.encoding.step import Embed, EmbedStep
from streams.encoding.versions import StoredVersion, stored_version
from streams.kafka.records import Record, partition_of
from streams.logs.chosen import EVERYBODY, Part
from streams.logs.jsonl import Fault, Line
from streams.logs.outcome import NOT_CHOSEN
from streams.logs.outcome import Outcome as Outcome  # the commands and tests take both from here
from streams.logs.replay_digests import SlateDigests, digest_of, partitions_digest, slates_digest
from streams.logs.restart import reread, restored
from streams.profiles.state import empty_partition
from streams.profiles.step import ProfilesStep
from streams.ranking.sequence import sequence_of
from streams.ranking.shared_state import SharedState
from streams.ranking.slates import models_of
from streams.ranking.step import RankStep

HOME = "ranker.feeds.home:build"

HasSlate = Callable[[str, int], bool]


class Replay:
    """One run over a log.

    learning  whether the parameters learn: at each tick, of all exposures before it
    has_slate whether an event of a person, at an event time in ms, is answered; the others are only taken in
    part      the people whose slates are made here; the others' are made elsewhere
    digests   whether the outcome has a digest of all slates, for which 32 bytes of each are kept
    pipeline  the feed, with the shared state by which the newest slate was ranked
    """

    def __init__(
        self,
        settings: Settings,
        embedder: VideoEmbedder,
        *,
        batch: int = 64,
        learning: bool = False,
        has_slate: HasSlate = lambda *_: True,
        part: Part = EVERYBODY,
        digests: bool = True,
    ) -> None:
        self.outcome, self._has_slate, self._part, self._has_digests = Outcome(), has_slate, part, digests
        self._settings, self._encoder, self._batch = settings, embedder.version, batch
        self._learned, self._sequence = learned_of(settings), sequence_of(settings)
        self._states = {partition: empty_partition(partition) for partition in range(settings.partitions)}
        self._profiles_step = ProfilesStep(  # the counts are read as they are
            settings, self._states, trends_limit=0, for_learning=learning
        )
        self._facts: dict[str, VideoFacts] = {}
        self._examples: list[tuple[str, Example]] = []  # since the last tick
        self._versions: dict[str, StoredVersion] = {}  # newest upload or withdrawal of each video
        self._embed_step = EmbedStep(settings, _embed_by(embedder), None, lambda _: self._versions)
        self._features: dict[str, bytes] = {}  # newest record of each video, in the order of their last writing
        self._erasures: list[Record] = []
        self._uploads: list[Record] = []  # since the last tick
        self._changed: list[Record] = []  # profiles that have no slate yet
        self._moments: dict[int, int] = {}  # the ticks of these, by line
        self._spans_ticks = settings.feed == HOME  # others' stages know the last tick alone
        self._tick = 0  # second of event time
        self.slate_digests: SlateDigests = {}
        self._open_shared_state()

    async def run(self, lines: Iterable[Line | Fault], restart_at: int | None = None) -> AsyncIterator[Recommendation]:
        """Apply the lines, give every slate in line order; at `restart_at` all state goes through its bytes."""
        for line in lines:
            if restart_at is not None and line.number >= restart_at:
                restart_at = None
                async for slate in self._rank():
                    yield slate
                self._restart()
            async for slate in self.take(line):
                yield slate
        async for slate in self.close():
            yield slate

    async def take(self, line: Line | Fault) -> AsyncIterator[Recommendation]:
        """Apply a line, give the slates of earlier ones that had to be made before it."""
        if isinstance(line, Fault):
            self._refuse(line)
            return
        if self._has_to_rank_before(line):
            async for slate in self._rank():
                yield slate
        await self._reach(line.at_ms // 1000)
        self.outcome.times.add(line)
        self._apply(line)

    async def close(self) -> AsyncIterator[Recommendation]:
        """Give the slates that are left, and finish the outcome."""
        async for slate in self._rank():
            yield slate
        self._finish()

    @property
    def waits_from(self) -> int | None:
        """The first line that may still get a slate; None where none waits for one."""
        return self._changed[0].offset if self._changed else None

    @property
    def catalogue(self) -> Catalogue:
        """The videos that are known by now."""
        return self._shared.catalogue

    def profiles(self) -> Iterable[tuple[str, Profile]]:
        """All profiles, by partition."""
        return ((user, profile) for state in self._states.values() for user, profile in state.profiles.items())

    def _has_to_rank_before(self, line: Line) -> bool:
        """A slate knows the shared state of its event's tick, and an erasure ends what it may show.

        Of an earlier tick only the counts are kept: neither the videos nor what is learned.
        """
        if line.topic is ERASURES or len(self._changed) >= self._batch:
            return True
        return line.at_ms // 1000 > self._tick and bool(self._uploads or self._examples or not self._spans_ticks)

    def _refuse(self, fault: Fault) -> None:
        self.outcome.dead_letters += 1
        self.outcome.faults.add(fault)

    def _apply(self, line: Line) -> None:
        partition = partition_of(line.key, self._settings.partitions)
        topic = line.topic.full(self._settings.prefix)
        record = Record(topic, partition, line.number, line.time_ms, line.key, line.value, line.headers)
        if line.topic is UPLOADS:
            self.outcome.uploads += 1
            self._uploads.append(record)
            return
        if line.topic is ERASURES:
            self.outcome.erasures += 1
            self._erasures.append(record)
            self._shared.apply([record])
        else:
            self.outcome.events += 1
        self._change_profiles(record, line)

    def _change_profiles(self, record: Record, line: Line) -> None:
        found = self._profiles_step.apply([((record.topic, record.partition), [record])], self._settings.partitions)
        self.outcome.repeats += found.repeats
        self.outcome.refuse(found.repeats, [letter.reason.value for letter in found.dead_letters])
        self._examples += found.examples
        topic = PROFILES.full(self._settings.prefix)
        for changed, partition, sent in found.changes:
            if changed == topic and partition is not None and sent and self._is_answered(line):
                self._changed += [Record(topic, partition, record.offset, 0, one.key, one.value) for one in sent]
                if self._spans_ticks:
                    self._moments[record.offset] = self.catalogue.moments.keep(self.catalogue)

    def _is_answered(self, line: Line) -> bool:
        """Whether this person's slate, or their erasure, is for us to answer; who is not chosen is counted."""
        user_id = line.key.decode("utf-8", "replace")
        if line.topic is not ERASURES and not self._has_slate(user_id, line.at_ms):
            self.outcome.without_slate[NOT_CHOSEN] += 1
            return False
        self.outcome.unmet.discard(user_id)
        return user_id in self._part

    async def _rank(self) -> AsyncIterator[Recommendation]:
        changed, self._changed = self._changed, []
        moments, self._moments = self._moments, {}
        for start in range(0, len(changed), self._batch):
            batch = changed[start : start + self._batch]
            slates = [slate for _, slate in (await self._rank_step.apply(batch, moments)).answers if slate is not None]
            profiles = sum(record.value is not None for record in batch)  # the others: of erased people
            self.outcome.show_nothing(profiles - len(slates), len(self._shared.catalogue.row_of))
            for slate in slates:
                if self._has_digests:
                    self.slate_digests[slate.user_id, slate.version] = digest_of(slate)
                self.outcome.slates += 1
                yield slate
        self.catalogue.moments.clear()

    async def _reach(self, tick: int) -> None:
        """Advance the shared state to a tick: what was uploaded and counted before it is known from now on."""
        if tick <= self._tick:
            return
        self._tick = tick
        uploads, self._uploads = self._uploads, []
        outcome = await self._embed_step.apply(uploads, self._settings.partitions)
        self.outcome.dead_letters += len(outcome.dead_letters)
        for one in (found := outcome.records):
            self._features.pop(one.video_id, None)
            self._features[one.video_id] = videos.encode(one)
            self._facts[one.video_id] = facts_of(one) if isinstance(one, Encoded) else NO_FACTS
        if found:
            self._shared.apply_features(found)
        self._learn()
        self._advance()

    def _advance(self) -> None:
        counts = {partition: state.trends for partition, state in self._states.items()}
        self._shared.advance(self._tick, counts, set().union(*(of.touched for of in counts.values())))
        for of in counts.values():
            of.touched.clear()

    def _learn(self) -> None:
        examples, self._examples = self._examples, []
        learner = Learner(self._learned.parameters, self._facts)
        for user_id, example in examples:
            [*learner.take(user_id, example)]
        [*learner.close()]
        if examples:
            self._learned.parameters.version = str(self._tick)

    def _restart(self) -> None:
        """Write all state as the agents write it to their topics, drop it, and read it back."""
        for partition, state in self._states.items():
            self._states[partition] = restored(partition, state, self._tick)
        self._versions = {video_id: stored_version(one) for video_id, one in self._features.items()}
        self._learned = reread(self._learned)
        self._open_shared_state()
        self._shared.apply(self._erasures)
        self._shared.apply_features(map(videos.decode_features, self._features.values()))
        self._advance()

    def _open_shared_state(self) -> None:
        self._shared = SharedState(self._settings, Catalogue(encoder=self._encoder))
        catalogue = self._shared.catalogue
        context = FeedContext(
            catalogue, ExactIndex(catalogue), self._settings, learned=self._learned, sequence=self._sequence
        )
        self.pipeline = build_feed(context)
        models = models_of(self.pipeline, self._encoder)
        self._rank_step = RankStep(self._settings, self._shared, self.pipeline.recommend, models)

    def _finish(self) -> None:
        self.outcome.state_digest = partitions_digest(self._states)
        self.outcome.slate_digest = slates_digest(self.slate_digests)


def _embed_by(embedder: VideoEmbedder) -> Embed:
    async def embed(uploads: Sequence[Uploads], contents: Sequence[Content | None]) -> list[CatalogueRecord]:
        return embedder.features(uploads, contents)

    return embed


def replay_embedder(settings: Settings) -> VideoEmbedder:
    """The encoders in the mode in which a text's embedding depends on the text alone."""
    return VideoEmbedder.of(settings, replaying=True)
