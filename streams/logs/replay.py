"""Replay: the steps of the agents over a recorded log, without a broker, and the same bytes every time.

Total order is the order of the lines. Each accepted event gets a slate, computed from its person's profile right
after it and the shared state at the last tick (one second of event time). `batch` says only how many slates are
computed together, `partitions` only where a person's profile lies.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

import msgspec

from encoders.embedder import VideoEmbedder
from ranker.catalogue.catalogue import Catalogue
from ranker.catalogue.popularity import TrendCounts, merge
from ranker.feeds.feed import FeedContext
from ranker.feeds.load import build_feed
from ranker.pipeline.post_filter import drop_unavailable
from ranker.pipeline.types import Query
from ranker.profile.codec import pack, state_digest, unpack
from ranker.profile.fold import Accepted, Arrival, fold_all
from ranker.profile.model import Profile
from ranker.retrieval.exact import ExactIndex
from schemas.messages import recommendations, videos
from schemas.messages.recommendations import Recommendation
from schemas.messages.trends import decode_trends
from schemas.messages.videos import Upload, Uploads, Withdraw
from schemas.settings.model import Settings
from schemas.topics import FEEDBACK
from streams.kafka.records import partition_of
from streams.logs.jsonl import Fault, Line
from streams.ranking.slates import Times, models_of, placeless, recommendation

EVERYTHING = 1_000_000_000  # no cut in a trends record
NO_TIMES = Times(0, 0.0)  # a replay has no clock

_canonical = msgspec.json.Encoder(order="sorted").encode


class Shared(NamedTuple):
    """What of the shared state survives a restart: newest features per video, in the order of their last writing."""

    features: dict[str, bytes]
    waiting: list[Uploads]  # since the last tick
    tick: int  # seconds of event time


@dataclass
class Outcome:
    """What a replay did; the digests cover every slate and every profile."""

    events: int = 0
    uploads: int = 0
    slates: int = 0
    repeats: int = 0
    dead_letters: int = 0
    faults: list[Fault] = field(default_factory=list)
    state_digest: str = ""
    slate_digest: str = ""


class Replay:
    """One run over a log."""

    def __init__(
        self, settings: Settings, describer: VideoEmbedder, models: Mapping[str, str], *, batch: int = 64
    ) -> None:
        self.outcome = Outcome()
        self._settings, self._describer, self._models, self._batch = settings, describer, models, batch
        self._profiles: dict[int, dict[str, Profile]] = {p: {} for p in range(settings.partitions)}
        self._trends = {p: TrendCounts(p) for p in range(settings.partitions)}
        self._shared = Shared({}, [], 0)
        self._asked: list[tuple[Query, Profile]] = []
        self._digests: dict[tuple[str, int], bytes] = {}
        self._times: dict[str, int] = {}  # newest upload or withdrawal of each video
        self._period = -1  # of the trends that the catalogue knows; none yet
        self._open_catalogue([])

    async def run(self, lines: Iterable[Line | Fault], restart_at: int | None = None) -> AsyncIterator[Recommendation]:
        """Take the lines in, give every slate in line order; at `restart_at` all state goes through its bytes."""
        for line in lines:
            if restart_at is not None and line.number >= restart_at:
                restart_at = None
                async for slate in self._answer():
                    yield slate
                self._restart()
            if isinstance(line, Fault):
                self._refuse(line)
                continue
            if self._moves_on(line.at_ms // 1000) or len(self._asked) >= self._batch:
                async for slate in self._answer():
                    yield slate
            self._reach(line.at_ms // 1000)
            self._take(line)
        async for slate in self._answer():
            yield slate
        self._finish()

    def profiles(self) -> Iterable[tuple[str, Profile]]:
        """All profiles, by partition."""
        return ((user, profile) for users in self._profiles.values() for user, profile in users.items())

    def _refuse(self, fault: Fault) -> None:
        self.outcome.dead_letters += 1
        self.outcome.faults.append(fault)

    def _take(self, line: Line) -> None:
        if isinstance(line.message, Upload | Withdraw):
            self.outcome.uploads += 1
            self._shared.waiting.append(line.message)
            return
        self.outcome.events += 1
        partition = partition_of(line.key, self._settings.partitions)
        mine = self._profiles[partition]
        arrival = Arrival(line.message, FEEDBACK.full(self._settings.prefix), partition, line.number)
        folded = fold_all(mine, [arrival], self._settings.late_ms)
        mine.update(folded.changed)
        self._trends[partition].take(folded.accepted)
        self.outcome.repeats += folded.repeats
        self.outcome.dead_letters += len(folded.late)
        self._asked.extend(map(self._question, folded.accepted))

    def _question(self, one: Accepted) -> tuple[Query, Profile]:
        user, profile = one.arrival.event.user_id, one.profile
        return Query(user, profile.version, profile.newest_ms, profile, self._settings.seed), profile

    async def _answer(self) -> AsyncIterator[Recommendation]:
        asked, self._asked = self._asked, []
        for start in range(0, len(asked), self._batch):
            some = asked[start : start + self._batch]
            slates = await self._pipeline.recommend([query for query, _ in some])
            for slate, (_, profile) in zip(slates, some, strict=True):
                shown = drop_unavailable(slate, self._catalogue)
                if not shown.items:
                    continue  # nothing at all may be shown to this person
                message = recommendation(shown, profile, self._models, NO_TIMES)
                self._digests[slate.user_id, slate.version] = sha256(_canonical(placeless(message))).digest()
                self.outcome.slates += 1
                yield message

    def _moves_on(self, tick: int) -> bool:
        return tick > self._shared.tick

    def _reach(self, tick: int) -> None:
        """Advance the shared state to a tick: what was uploaded and counted before it is known from now on."""
        if not self._moves_on(tick):
            return
        made = self._describer.features([one for one in self._shared.waiting if self._is_news(one)])
        for one in made:
            self._shared.features.pop(one.video_id, None)
            self._shared.features[one.video_id] = videos.encode(one)
        self._catalogue.apply(made)
        self._shared = self._shared._replace(waiting=[], tick=tick)
        self._advance()

    def _is_news(self, one: Uploads) -> bool:
        """Not older than what is known of its video, as the encoding agent has it."""
        if one.at_ms < self._times.get(one.video_id, 0):
            return False
        self._times[one.video_id] = one.at_ms
        return True

    def _advance(self) -> None:
        parts = [part for _, part in sorted(self._trends.items())]
        period = max(part.period for part in parts)
        only = None if period != self._period else sorted(set().union(*(part.touched for part in parts)))
        self._period = period
        self._catalogue.advance(self._shared.tick * 1000, merge(parts, only))
        for part in parts:
            part.touched.clear()

    def _restart(self) -> None:
        """Write all state as the agents write it to their topics, drop it, and read it back."""
        for partition, users in self._profiles.items():
            self._profiles[partition] = {
                user: unpack(data) for user, data in {u: pack(p) for u, p in users.items()}.items()
            }
            record = recommendations.encode(self._trends[partition].record(self._shared.tick, EVERYTHING))
            self._trends[partition] = TrendCounts(partition)
            self._trends[partition].restore(decode_trends(record))
        self._times = {video_id: videos.decode_time(one) for video_id, one in self._shared.features.items()}
        self._open_catalogue(list(self._shared.features.values()))
        self._advance()

    def _open_catalogue(self, records: list[bytes]) -> None:
        self._catalogue = Catalogue()
        self._period = -1
        self._catalogue.apply(map(videos.decode_features, records))
        self._pipeline = build_feed(FeedContext(self._catalogue, ExactIndex(self._catalogue), self._settings))
        self._models = models_of(self._pipeline, self._models["encoder"])

    def _finish(self) -> None:
        self.outcome.state_digest = state_digest(self.profiles())
        digest = sha256()
        for (user, version), one in sorted(self._digests.items()):
            digest.update(f"{user}\0{version}\0".encode() + one)
        self.outcome.slate_digest = digest.hexdigest()


def replay_models(settings: Settings) -> tuple[VideoEmbedder, dict[str, str]]:
    """The encoders in the mode in which a text's vector depends on the text alone, and what slates call them."""
    describer = VideoEmbedder.of(settings, replaying=True)
    return describer, {"encoder": describer.version}
