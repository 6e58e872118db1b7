"""A replay that ranks nobody: the profiles step over a log, many lines at a time, and the digest of all profiles."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import cast

from ranker.profile.fold import Arrival
from schemas.messages.feedback import Feedback
from schemas.settings.model import Settings
from schemas.topics import ERASURES, UPLOADS
from streams.dead_letters.validation import ValidatedBatch
from streams.kafka.records import Record, partition_of
from streams.logs.jsonl import Fault, Line, Message
from streams.logs.outcome import NOT_CHOSEN, Outcome
from streams.logs.replay_digests import partitions_digest
from streams.logs.restart import restored
from streams.profiles.state import empty_partition
from streams.profiles.step import ProfilesStep

TOGETHER = 50_000  # events that are folded at once: whoever has several of them is opened once; a guess


class Fold:
    """One run over a log; its state digest is that of a replay with slates.

    together  events that are folded at once; changes no byte
    """

    def __init__(self, settings: Settings, together: int = TOGETHER) -> None:
        self.outcome = Outcome()
        self._together, self._partitions, self._prefix = together, settings.partitions, settings.prefix
        self._states = {partition: empty_partition(partition) for partition in range(settings.partitions)}
        self._step = ProfilesStep(settings, self._states, trends_limit=0, read=self._arrivals)
        self._waiting: list[Line] = []
        self._messages: dict[int, Message] = {}  # of these, by line
        self._partition_of: dict[bytes, int] = {}  # by key

    def run(self, lines: Iterable[Line | Fault], restart_at: int | None = None) -> Outcome:
        """Apply the lines; at `restart_at` all state goes through its bytes."""
        outcome, waiting, look = self.outcome, self._waiting, self.outcome.times.add
        for line in lines:
            if restart_at is not None and line.number >= restart_at:
                restart_at = None
                self._fold()
                self._restart()
            if isinstance(line, Fault):
                outcome.dead_letters += 1
                outcome.faults.add(line)
                continue
            look(line)
            if line.topic is UPLOADS:
                outcome.uploads += 1
            elif line.topic is ERASURES:
                outcome.erasures += 1
                self._fold()
                self._waiting.append(line)
                self._fold()
            else:
                waiting.append(line)
                if len(waiting) >= self._together:
                    self._fold()
        self._fold()
        outcome.without_slate[NOT_CHOSEN] = outcome.events - outcome.without_slate.total()
        outcome.state_digest = partitions_digest(self._states)
        return outcome

    def _fold(self) -> None:
        """Take in the lines that wait: events, or one erasure."""
        if not self._waiting:
            return
        topic = self._waiting[0].topic
        full, records = topic.full(self._prefix), defaultdict[int, list[Record]](list)
        for line in self._waiting:
            partition = self._partition_of.get(line.key)
            if partition is None:
                partition = self._partition_of[line.key] = partition_of(line.key, self._partitions)
            record = Record(full, partition, line.number, line.time_ms, line.key, line.value, line.headers)
            records[partition].append(record)
        self._messages = {line.number: line.message for line in self._waiting}
        found = self._step.apply([((full, partition), of) for partition, of in records.items()], self._partitions)
        self.outcome.events += len(self._waiting) if topic is not ERASURES else 0
        self.outcome.repeats += found.repeats
        self.outcome.refuse(found.repeats, [letter.reason.value for letter in found.dead_letters])
        self._waiting.clear()
        self._messages = {}

    def _arrivals(self, records: Sequence[Record], partitions: int) -> ValidatedBatch:
        """The events of records: they are validated, since a log is read line by line."""
        message = cast(dict[int, Feedback], self._messages)
        arrivals = [Arrival(message[one.offset], one.topic, one.partition, one.offset) for one in records]
        return ValidatedBatch(arrivals, [], [])

    def _restart(self) -> None:
        for partition, state in self._states.items():
            self._states[partition] = restored(partition, state, (self.outcome.times.last_ms or 0) // 1000)
