"""The three agents as model workers: the pure functions of the real ones, called in the same order."""

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from ranker.catalogue.catalogue import Catalogue
from ranker.catalogue.popularity import TrendCounts
from ranker.pipeline.post_filter import drop_unavailable
from ranker.pipeline.types import Drops, Query, Slate
from ranker.profile.codec import pack, unpack
from ranker.profile.fold import fold_all
from ranker.profile.model import Profile
from schemas.messages import recommendations, videos
from schemas.messages.dead_letters import LETTER_BYTES, DeadLetter, letter_headers
from schemas.messages.recommendations import Item
from schemas.messages.trends import decode_trends
from schemas.messages.videos import CatalogueRecord, Encoded, Upload, Uploads, Withdrawn
from schemas.topics import DEAD_LETTERS, FEATURES, FEEDBACK, PROFILES, RECOMMENDATIONS, TRENDS, UPLOADS
from streams.dead_letters.validation import late_dead_letters, read_feedback, read_upload
from streams.encoding.agent import not_outdated
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.owned_state import text_of
from streams.kafka.records import Record
from streams.ranking.agent import batches, in_turns, newest_per_person, profiles_of, query
from streams.ranking.progress import BACK, _source, source_offset
from streams.ranking.slates import Times, recommendation
from tests.simulation.worker import Flaw, Sends, Worker

LATE_MS = 60_000
AT_ONCE = 4  # small, so that a worker may end between two sends of a poll
SHOWN = 3  # items of a slate
ALWAYS = "always"  # a video that nobody withdraws
LIMIT = 2000  # videos in a record of trends


class ProfilesWorker(Worker):
    """The profiles agent, with its state and its trends."""

    agent, writes = "profiles", PROFILES.name

    def recover(self, owned: list[int]) -> Iterator[str]:
        """Of every person the highest version; of the trends the last record."""
        self.state: dict[int, dict[str, Profile]] = {p: {} for p in owned}
        for partition in owned:
            for some in batches(self.broker.read(PROFILES.name, partition), 50):
                self._take(self.state[partition], some)
                yield "recovering"
        self.trends = {partition: TrendCounts(partition) for partition in owned}
        self.ticks: dict[int, int] = {}
        for record in self.broker.everything(TRENDS.name):
            part = decode_trends(record.value or b"")
            if part.partition in self.trends:
                self.trends[part.partition].restore(part)
        yield "recovered"

    def _take(self, mine: dict[str, Profile], some: Sequence[Record]) -> None:
        for record in some:
            user, profile = text_of(record.key), unpack(record.value or b"")
            if user in mine and profile.version < mine[user].version and self.flaw != Flaw.LAST_OFFSET_WINS:
                continue
            if self.flaw == Flaw.NO_APPLIED:
                profile = replace(profile, applied={})
            if self.flaw == Flaw.NO_RECENT_IDS:
                profile = replace(profile, recent_ids=b"")
            mine[user] = profile

    def handle(self, poll: dict[int, list[Record]]) -> Iterator[str]:
        """Fold every event into its person's profile; dead letters go first, for a profile hides what it refused."""
        first = Sends(self.broker, self.rng)
        for partition, records in poll.items():
            mine = self.state[partition]
            reading = read_feedback(records, self.broker.partitions)
            folded = fold_all(mine, reading.arrivals, LATE_MS)
            mine.update(folded.changed)
            self.trends[partition].take(folded.accepted)
            changed = [Outgoing(user.encode(), pack(profile)) for user, profile in folded.changed.items()]
            self.out.put(PROFILES.name, partition, changed)
            if folded.accepted:
                newest_ms = min(max(one.arrival.event.at_ms for one in folded.accepted), records[-1].timestamp)
                self._count(partition, newest_ms // 1000)
            if self.flaw != Flaw.DROPS_ASTRAY:
                self.out.put_by_key(FEEDBACK.name, reading.misrouted)
            letters = map(posted, reading.dead_letters + late_dead_letters(records, folded.late))
            (self.out if self.flaw == Flaw.LETTERS_TOGETHER else first).put_by_key(DEAD_LETTERS.name, letters)
        yield "folded"
        yield from first.confirmed()
        yield from self.out.confirmed()

    def _count(self, partition: int, tick: int) -> None:
        if tick > self.ticks.get(partition, 0):
            self.ticks[partition] = tick
            value = recommendations.encode(self.trends[partition].record(tick, LIMIT))
            self.out.put_by_key(TRENDS.name, [Outgoing(str(partition).encode(), value)])

    def version_of(self, value: bytes) -> int:
        """A profile's version."""
        return unpack(value).version


class EncoderWorker(Worker):
    """As streams/encoding/agent.py, with a describer that keeps the title only."""

    agent, writes = "encoder", FEATURES.name

    def recover(self, owned: list[int]) -> Iterator[str]:
        """Of every video its newest time."""
        self.times: dict[int, dict[str, int]] = {p: {} for p in owned}
        for partition in owned:
            for some in batches(self.broker.read(FEATURES.name, partition), 20):
                for record in some:
                    at_ms, mine = videos.decode_time(record.value or b""), self.times[partition]
                    if self.flaw != Flaw.FORGETS_TIMES:
                        mine[text_of(record.key)] = max(at_ms, mine.get(text_of(record.key), 0))
                yield "recovering"
        yield "recovered"

    def of(self, partition: int) -> dict[str, int]:
        """Times of a partition that may be another worker's, as OwnedState has it."""
        return self.times.get(partition, {})

    def handle(self, poll: dict[int, list[Record]]) -> Iterator[str]:
        """Pass on what is not older than what is known."""
        records = [record for batch in poll.values() for record in batch]
        for some in batches(records, AT_ONCE):
            read = [(record, read_upload(record)) for record in some]
            letters = [one for _, one in read if isinstance(one, DeadLetter)]
            self.out.put_by_key(DEAD_LETTERS.name, map(posted, letters))
            sound = [(record, one) for record, one in read if not isinstance(one, DeadLetter)]
            newer = not_outdated(self, sound, self.broker.partitions)  # type: ignore[arg-type]  # asks for `of` alone
            self.out.put_by_key(FEATURES.name, [described(one) for _, one in newer])
            yield "encoded"
            yield from self.out.confirmed()

    def version_of(self, value: bytes) -> int:
        """The event time of an upload or a withdrawal."""
        return videos.decode_time(value)


class RankerWorker(Worker):
    """The ranking agent, with three videos in turn for a pipeline."""

    agent, writes = "ranker", RECOMMENDATIONS.name

    def recover(self, owned: list[int]) -> Iterator[str]:
        """Up to which profile each partition is answered, by the tail of the slates; and a catalogue of its own."""
        self.upto: dict[int, int] = {}
        for partition in owned:
            back = max(0, self.broker.ends[RECOMMENDATIONS.name, partition] - BACK)
            tail = self.broker.read(RECOMMENDATIONS.name, partition, back)
            self.upto[partition] = max(map(_source, tail), default=-1)
            yield "recovering"
        self.catalogue = Catalogue(dim=1)
        self.features: dict[int, int] = {}
        yield "recovered"

    def handle(self, poll: dict[int, list[Record]]) -> Iterator[str]:
        """Rank each person once per poll, by their newest profile."""
        self.follow()
        while ALWAYS not in self.catalogue.row_of:  # else withdrawals may empty a slate, and an empty one is not sent
            yield "waiting"
            self.follow()
        newest = [self._newest([r for r in records if r.offset > self.upto[r.partition]]) for records in poll.values()]
        for some in batches(in_turns(newest), AT_ONCE):
            readable, letters = profiles_of(some)
            asked = [query(record, profile, 0) for record, profile in readable if profile is not None]
            slates = [self._slate(one) for one in asked]
            yield "ranked"
            self.follow()
            for (record, _), one, slate in zip(readable, asked, slates, strict=True):
                shown = drop_unavailable(slate, self.catalogue)
                if shown.items:
                    message = recommendation(shown, one.profile, {}, Times(self.broker.now_ms, 0.0))
                    going = Outgoing(record.key, recommendations.encode(message), [source_offset(record)])
                    self.out.put(RECOMMENDATIONS.name, record.partition, [going])
            self.out.put_by_key(DEAD_LETTERS.name, map(posted, letters))
            yield from self.out.sent()
        if self.flaw != Flaw.LEAVES_SLATES:
            yield from self.out.confirmed()

    def _newest(self, records: list[Record]) -> list[Any]:
        if self.flaw == Flaw.SLATES_OUT_OF_ORDER:
            return newest_per_person(records)[::-1]
        if self.flaw == Flaw.ANSWERS_OLDEST:
            return newest_per_person(reversed(records))
        return newest_per_person(records)

    def follow(self) -> None:
        """Take in what the encoder has written since."""
        for partition in range(self.broker.partitions):
            if new := self.broker.read(FEATURES.name, partition, self.features.get(partition, 0)):
                self.features[partition] = new[-1].offset + 1
                self.catalogue.apply([videos.decode_features(record.value or b"") for record in new])

    def _slate(self, asked: Query) -> Slate:
        ids = sorted(self.catalogue.row_of.keys() - {ALWAYS})
        turned = [ALWAYS, *(ids[(asked.version + n) % len(ids)] for n in range(min(SHOWN, len(ids))))]
        items = [Item(rank, one, 1 / rank, {}, 1.0, ["turn"], []) for rank, one in enumerate(turned, 1)]
        return Slate(asked.user_id, asked.version, items, Drops((), ()))

    def version_of(self, value: bytes) -> int:
        """A slate's version."""
        return recommendations.decode_recommendation(value).version


def posted(letter: DeadLetter) -> Outgoing:
    """A dead letter as a record."""
    return Outgoing(letter.key, letter.value[:LETTER_BYTES], letter_headers(letter, "simulated"))


def described(one: Uploads) -> Outgoing:
    """What a describer makes of an upload or a withdrawal, as a record."""
    made: CatalogueRecord = Withdrawn(video_id=one.video_id, at_ms=one.at_ms)
    if isinstance(one, Upload):
        made = Encoded(video_id=one.video_id, at_ms=one.at_ms, title=one.title)
    return Outgoing(one.video_id.encode(), videos.encode(made))


AGENTS: dict[str, type[Worker]] = {one.agent: one for one in (ProfilesWorker, EncoderWorker, RankerWorker)}
SOURCES = {"profiles": FEEDBACK.name, "encoder": UPLOADS.name, "ranker": PROFILES.name}
