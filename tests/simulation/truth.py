"""What must come out: the log taken in once, in order, by somebody who never crashes, and a count without any fold."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from ranker.learning.parameters import Parameters
from ranker.learning.publication import Subscription
from ranker.profile.event_ids import EventIds
from ranker.profile.example import Example
from ranker.profile.fold import Arrival
from ranker.profile.model import Profile, offset_base
from schemas.messages import recommendations, videos
from schemas.messages.videos import Upload
from schemas.topics import DEAD_LETTERS, FEEDBACK, PROFILES, RECOMMENDATIONS, UPLOADS, WEIGHTS
from streams.dead_letters.validation import FUTURE_MS, ORIGIN, read_feedback
from streams.kafka.records import Record, partition_of
from streams.ranking.published_parameters import PublishedParameters
from tests.simulation.broker import Broker
from tests.simulation.worker import LATE_MS
from tests.support.events import fold_all

Spot = tuple[int, int]  # partition and offset in feedback


class Breach(NamedTuple):
    """A promise that was not kept, and what was seen."""

    promise: str
    seen: str


class Count:
    """A person's events by identity alone: the fold's own bookkeeping is not asked."""

    def __init__(self) -> None:
        self.taken: set[str] = set()
        self.newest_ms = 0

    def take(self, identity: str, at_ms: int) -> bool:
        """Count an event unless it is a repeat or late."""
        if identity in self.taken or at_ms < self.newest_ms - LATE_MS:
            return False
        self.taken.add(identity)
        self.newest_ms = max(self.newest_ms, at_ms)
        return True


class Steps:
    """Which offset of a source stands for which version of whom; where they are coalesced the last one counts."""

    def __init__(self, coalesced: bool) -> None:
        self._coalesced = coalesced
        self._steps: dict[int, deque[tuple[int, str, int]]] = defaultdict(deque)

    def add(self, partition: int, offset: int, user: str, version: int) -> None:
        """One more record of the source."""
        self._steps[partition].append((offset, user, version))

    def pass_by(self, offsets: dict[int, int], reached: dict[str, int]) -> Iterator[str]:
        """Forget what is below these offsets; what of it is not reached is said."""
        for partition, upto in offsets.items():
            steps = self._steps[partition]
            while steps and steps[0][0] < upto:
                offset, user, version = steps.popleft()
                if reached.get(user, 0) < version and not (self._coalesced and self._covered(partition, user)):
                    yield f"{user} at version {version}, by offset {offset} of partition {partition}"

    def _covered(self, partition: int, user: str) -> bool:
        """Whether a later record of the person is still to come."""
        return any(other == user for _, other, _ in self._steps[partition])


class Truth:
    """Watches every record that is written, and knows what must be true of it."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.breaches: list[Breach] = []
        self.users: dict[str, Profile] = {}
        self.event_ids: dict[str, EventIds] = {}
        self.counts: dict[str, Count] = {}
        self.sent: set[str] = set()  # session ids that were read at their place
        self.positive: Counter[str] = Counter()  # first positive events by video
        self.examples: list[Example] = []  # what is to be learned from
        self.parameters = PublishedParameters(Subscription(Parameters()))  # of somebody who has read along
        self.refused: set[Spot] = set()  # what must have a dead letter
        self.misrouted: set[str] = set()  # what must be sent on
        self.letters: set[Spot] = set()
        self.videos: dict[str, Upload | videos.Withdraw] = {}  # the last that counts, at a time above the one before
        self._known_ms: dict[str, int] = {}  # when that happened: not after the broker had it
        self._profiles: dict[tuple[str, bytes], int] = {}  # every profile that may ever be written: its version
        self.folds, self.changes = Steps(coalesced=False), Steps(coalesced=True)
        self._made = 0  # how often feedback was made again
        self._triggers: dict[tuple[str, int], int] = {}
        self.written: dict[str, int] = {}  # highest version of each person on the changelog
        self.held: dict[str, int] = {}  # highest version of each person's slates
        broker.watchers |= {
            FEEDBACK.name: self._fed, UPLOADS.name: self._uploaded, PROFILES.name: self._changed,
            RECOMMENDATIONS.name: self._answered, DEAD_LETTERS.name: self._refused,
            WEIGHTS.name: self._published,
        }  # fmt: skip

    def say(self, promise: str, seen: str) -> None:
        """Note down a breach."""
        self.breaches.append(Breach(promise, seen))

    def feedback_made_again(self) -> None:
        """All of it was taken in; what comes now has the same offsets once more."""
        self._made += 1
        self.folds = Steps(coalesced=False)

    def folded(self, offsets: dict[int, int]) -> None:
        """The profiles agent commits: what it passes by must be on the changelog."""
        for missing in self.folds.pass_by(offsets, self.written):
            self.say("COMMITTED ≤ APPLIED", missing)

    def ranked(self, offsets: dict[int, int]) -> None:
        """The ranker commits: what it passes by must have a slate."""
        for missing in self.changes.pass_by(offsets, self.held):
            self.say("ANSWERED", missing)

    def _fed(self, record: Record) -> None:
        reading = read_feedback([record], self.broker.partitions)
        spot = record.partition, record.offset
        if reading.dead_letters:
            self.refused.add(spot)
        if reading.misrouted:
            self.misrouted.add(f"{record.topic}/{record.partition}/{record.offset}")
        origin = (dict(record.headers).get(ORIGIN) or b"").decode()
        for arrival in reading.arrivals:
            self.misrouted.discard(origin)
            self._read(arrival, spot, origin)

    def _read(self, arrival: Arrival, spot: Spot, origin: str) -> None:
        event = arrival.event
        user = event.user_id
        self.sent.add(event.session_id or "")
        counted = self.counts.setdefault(user, Count()).take(
            event.event_id or f"{self._made} {origin or spot}", event.at_ms
        )
        found = fold_all(self.users, [arrival], LATE_MS, self.event_ids, offset_base(self._made), for_learning=True)
        if bool(found.applied) != counted:
            self.say("DOUBLE" if found.applied else "LOST", f"the fold takes {event} otherwise than it is counted")
        self.users |= found.changed
        for page in found.batch.pages.get(user, ()):
            self.event_ids.setdefault(user, EventIds()).add(page)
        if found.late:
            self.refused.add(spot)
        for user, profile in found.changed.items():
            self._profiles[user, found.batch.changed[user]] = profile.version
            self.folds.add(*spot, user, profile.version)
            self._triggers[user, profile.version] = spot[1]
        self.examples += [one for _, one in found.batch.examples]
        self.positive.update(one.event.video_id for one in found.batch.first_positives)

    def _uploaded(self, record: Record) -> None:
        if ORIGIN in dict(record.headers):
            return  # it was sent on, and counts from when it was first written
        one = videos.decode(record.value or b"")
        known, known_ms = self.videos.get(one.video_id), self._known_ms.get(one.video_id, 0)
        if min(one.at_ms, record.timestamp) >= known_ms - FUTURE_MS:  # the later one counts, whatever clocks say
            newest_ms = max(one.at_ms, known.at_ms + 1 if known else 0)
            self.videos[one.video_id] = msgspec.structs.replace(one, at_ms=newest_ms)
            self._known_ms[one.video_id] = min(newest_ms, record.timestamp)

    @property
    def shown(self) -> set[str]:
        """Videos that may be shown."""
        return {video_id for video_id, one in self.videos.items() if isinstance(one, Upload)}

    def _changed(self, record: Record) -> None:
        user = (record.key or b"").decode()
        version = self._profiles.get((user, record.value or b""), 0)
        if not version:
            self.say("DIGEST", f"a profile of {user} that no order of crashes may give")
        if record.partition != partition_of(record.key or b"", self.broker.partitions):
            self.say("DIGEST", f"the profile of {user} on partition {record.partition}")
        self.written[user] = max(version, self.written.get(user, 0))
        self.changes.add(record.partition, record.offset, user, version)

    def _answered(self, record: Record) -> None:
        slate = recommendations.decode_recommendation(record.value or b"")
        if self._triggers.get((slate.user_id, slate.version)) != slate.trigger.offset:
            self.say("DIGEST", f"slate {slate.version} of {slate.user_id} names offset {slate.trigger.offset}")
        self.held[slate.user_id] = max(slate.version, self.held.get(slate.user_id, 0))

    def _refused(self, record: Record) -> None:
        headers = dict(record.headers)
        if headers["topic"] == FEEDBACK.name.encode():
            self.letters.add((int(headers["partition"] or b""), int(headers["offset"] or b"")))

    def _published(self, record: Record) -> None:
        self.parameters.apply([record])
