"""The profiles step: what a poll of feedback and erasures does to the profiles, and what has to be sent for it.

It knows no Kafka and no clock. The agent, a replay, the crash simulation, the contract verifier and the demo's checks
all call it, so each of them runs the fold that runs in production.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ranker.profile.erasure import SplitByErasure, advance_marker, coder, split_by_erasure
from ranker.profile.event_ids import EventIds, Page, encode_page, page_key
from ranker.profile.example import Examples, encode_examples, linked
from ranker.profile.fold import Arrival, fold_batch
from schemas.messages import erasures, trends
from schemas.messages.dead_letters import DeadLetter
from schemas.messages.erasures import Erasure
from schemas.settings.model import Settings
from schemas.topics import ERASED, ERASURES, EVENT_IDS, EXAMPLES, FEEDBACK, PROFILES, TRENDS
from streams.dead_letters.validation import ValidatedBatch, late_dead_letters, read_feedback
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.owned_state import Owned
from streams.kafka.records import Headers, Polled, Record
from streams.kafka.sends import Send, Stage
from streams.profiles.erasure import LAST_BEFORE, erased_dead_letters, read_erasures, tombstone
from streams.profiles.origins import Ends, believed
from streams.profiles.state import PartitionState
from streams.profiles.unconfirmed import ExampleOf, beside_profiles

log = logging.getLogger("freshet.profiles")

TRENDS_LIMIT = 2000  # videos in one record of trends; about 60 KB
EXAMPLES_LIMIT = 1000  # examples in one record; about 100 KB
NO_ENDS: Ends = {}

ReadFeedback = Callable[[Sequence[Record], int], ValidatedBatch]  # of a topic with so many partitions


@dataclass
class ProfilesOutcome:
    """What a poll came to: what could not be used, and what has to be sent."""

    dead_letters: list[DeadLetter] = field(default_factory=list)
    first: list[Send] = field(default_factory=list)  # erasure markers, event ids
    changes: list[Send] = field(default_factory=list)  # profiles, examples, tombstones, trends, misrouted records
    applied: list[Arrival] = field(default_factory=list)  # what changed a profile, in the order of the poll
    repeats: int = 0
    examples: list[ExampleOf] = field(default_factory=list)  # what may be learned, with user ids

    @property
    def stages(self) -> tuple[Stage, ...]:
        """What to send; the agent sends the dead letters before, since a newer profile hides what it refused.

        Markers are confirmed before anything of a person goes: whoever recovers drops what lies below a marker. Event
        ids are confirmed before a profile goes that no longer holds them. Examples go with the profiles that make their
        events repeats, and these hold them until they are confirmed (unconfirmed.py).
        """
        return (self.first, self.changes) if self.first else (self.changes,)


class ProfilesStep:
    """Folds events into profiles, counts trends, and forgets people.

    states        what is held of each partition, by partition; changed in place
    trends_limit  videos in a record of trends; 0: no records, for who reads the counts themselves
    for_learning  whether there are examples of what is applied
    read          validates the feedback of a partition
    """

    def __init__(
        self,
        settings: Settings,
        states: Owned[PartitionState],
        trends_limit: int = TRENDS_LIMIT,
        *,
        for_learning: bool = False,
        read: ReadFeedback = read_feedback,
    ) -> None:
        self._states, self._read = states, read
        self._trends_limit, self._for_learning = trends_limit, for_learning
        self._late_ms = settings.late_ms
        self._code = coder(settings.erasure_key.get_secret_value())
        names = (topic.full(settings.prefix) for topic in (FEEDBACK, ERASURES, PROFILES, ERASED, TRENDS, EVENT_IDS))
        self._feedback, self._erasures, self._profiles, self._erased, self._trends, self._event_ids = names
        self._examples = EXAMPLES.full(settings.prefix)

    def apply(
        self, poll: Polled, partitions: int, holding_people: Sequence[str] = (), ends: Ends = NO_ENDS
    ) -> ProfilesOutcome:
        """Take in a poll: erasures first, then feedback partition by partition.

        partitions      of the feedback topic, by which keys are checked
        holding_people  other compacted topics by user id, in which an erasure leaves a tombstone too
        ends            of the partitions of feedback that events may have been sent on from
        """
        outcome, batches = ProfilesOutcome(), list(poll)
        for (topic, partition), records in batches:
            if topic == self._erasures:
                self._erase(partition, records, partitions, (self._profiles, *holding_people), outcome)
        for (topic, partition), records in batches:
            if topic == self._feedback:
                self._fold(partition, records, partitions, ends, outcome)
        return outcome

    def _erase(
        self,
        partition: int,
        records: Sequence[Record],
        partitions: int,
        topics: Sequence[str],
        outcome: ProfilesOutcome,
    ) -> None:
        validated = read_erasures(records, partitions)
        read = zip(validated.erasures, validated.offsets, strict=True)
        gone = [(one.user_id, offset) for one, offset in read if self._forget(partition, one, outcome)]
        if gone:
            tombstones = [tombstone(*one) for one in gone]  # one an erasure, for somebody waits for each
            outcome.changes += [Send(topic, partition, tombstones) for topic in topics]
            people = (user_id for user_id, _ in gone)
            outcome.changes.append(Send(self._event_ids, partition, self._unpaged(partition, people)))
        outcome.changes.append(Send(self._erasures, None, validated.misrouted))
        outcome.dead_letters += validated.dead_letters

    def _unpaged(self, partition: int, people: Iterable[str]) -> list[Outgoing]:
        held = self._states[partition].event_ids
        pages = ((user_id, version) for user_id in people for version in held.pop(user_id, EventIds()).versions)
        return [Outgoing(page_key(user_id, version).encode(), None) for user_id, version in pages]

    def _forget(self, partition: int, erasure: Erasure, outcome: ProfilesOutcome) -> bool:
        """Drop a person's profile; False where they were erased later than this, and have come back since."""
        state, code = self._states[partition], self._code(erasure.user_id)
        profile = state.profiles.get(erasure.user_id)
        marker = advance_marker(state.markers.get(code), profile, erasure.at_ms)
        if marker is None and profile is not None:
            log.info(
                "%s[%d]: an erasure up to %d is older than one that is done", self._erasures, partition, erasure.at_ms
            )
            return False
        if marker is not None:
            state.markers[code] = marker
            applied = profile.applied.get(partition, -1) - state.trends.base if profile else -1
            last = max(applied, state.next_offset - 1)
            found = Outgoing(code.encode(), erasures.encode(marker), [(LAST_BEFORE, str(last).encode())])
            outcome.first.append(Send(self._erased, partition, [found]))
        state.profiles.packed.pop(erasure.user_id, None)
        return True

    def _fold(
        self, partition: int, records: Sequence[Record], partitions: int, ends: Ends, outcome: ProfilesOutcome
    ) -> None:
        state = self._states[partition]
        validated = self._read(records, partitions)
        arrivals = believed(validated.arrivals, ends) if ends else validated.arrivals
        kept, erased, restarted = self._split(state, arrivals)
        batch = fold_batch(
            state.profiles, kept, self._late_ms, restarted, state.event_ids, state.trends.base, self._for_learning
        )
        state.profiles.packed.update(batch.changed)
        state.trends.count(batch)
        outcome.dead_letters += validated.dead_letters
        outcome.dead_letters += erased_dead_letters(records, erased) + late_dead_letters(
            records, batch.late, self._late_ms
        )
        outcome.repeats += len(batch.repeats)
        beside = self._teach(state, partition, batch.examples, records[-1].offset, outcome)
        refused = {arrival.offset for arrival in (*batch.late, *batch.repeats)}
        outcome.applied += [one for one in kept if one.offset not in refused] if refused else kept
        changed = [Outgoing(user_id.encode(), data, beside.get(user_id, ())) for user_id, data in batch.changed.items()]
        outcome.changes.append(Send(self._profiles, partition, changed))
        self._keep_pages(state, partition, batch.pages, outcome)
        if batch.reached:
            self._publish_trends(state, min(batch.newest_ms, records[-1].timestamp), outcome)
        outcome.changes.append(Send(self._feedback, None, validated.misrouted))

    def _teach(
        self, state: PartitionState, partition: int, examples: list[ExampleOf], offset: int, outcome: ProfilesOutcome
    ) -> Mapping[str, Headers]:
        """Have examples sent to whoever learns; returns the headers of profiles by user id.

        offset  of the last record that was read; what the worker before sent up to there is sent again
        """
        outcome.examples += examples
        new = ((user_id, one) for (user_id, _), one in zip(examples, linked(examples), strict=True))
        whole = state.unconfirmed.merge(new, state.trends.base + offset)
        parts = (whole[start : start + EXAMPLES_LIMIT] for start in range(0, len(whole), EXAMPLES_LIMIT))
        values = (encode_examples(Examples(partition, [one for _, one in part])) for part in parts)
        records = [Outgoing(str(partition).encode(), value) for value in values]
        beside = beside_profiles(partition, whole, state.unconfirmed.left())
        if records:
            stage = outcome.first if beside is None else outcome.changes
            stage.append(Send(self._examples, 0, records))
        return beside or {}

    def _keep_pages(
        self, state: PartitionState, partition: int, pages: Mapping[str, list[Page]], outcome: ProfilesOutcome
    ) -> None:
        """Keep the pages that were cut off profiles, and let go of those whose events would be late by now."""
        if not pages:
            return
        new, gone = [], []
        for user_id, theirs in pages.items():
            held = state.event_ids.setdefault(user_id, EventIds())
            too_old = held.trim(self._late_ms)  # by what is stored already: this batch may be redelivered
            gone += [Outgoing(page_key(user_id, version).encode(), None) for version in too_old]
            for page in theirs:
                held.add(page)
                new.append(Outgoing(page_key(user_id, page.version).encode(), encode_page(page)))
        outcome.first.append(Send(self._event_ids, partition, new))
        outcome.changes.append(Send(self._event_ids, partition, gone))

    def _split(self, state: PartitionState, arrivals: list[Arrival]) -> SplitByErasure:
        if not state.markers:
            return SplitByErasure(arrivals, [], {})
        return split_by_erasure(state.markers, self._code, state.profiles, arrivals)

    def _publish_trends(self, state: PartitionState, newest_ms: int, outcome: ProfilesOutcome) -> None:
        """Send the partition's counts where event time has reached a new second."""
        if self._trends_limit and state.trends.is_due(newest_ms // 1000):
            record = state.trends.record(newest_ms // 1000, self._trends_limit)
            key = str(state.trends.partition).encode()
            outcome.changes.append(Send(self._trends, None, [Outgoing(key, trends.encode(record))]))
