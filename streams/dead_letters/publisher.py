"""An agent's dead letters: published before what it makes of the other records, and counted for an alarm."""

import logging
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

from schemas.messages.dead_letters import LETTER_BYTES, DeadLetter, Reason, letter_headers
from schemas.settings.model import Settings
from schemas.topics import DEAD_LETTERS
from streams.kafka.confirmed_producer import ConfirmedProducer, Outgoing
from streams.kafka.unreadable import UnreadableBatch
from streams.metrics.measures import Measures

log = logging.getLogger("freshet.dead_letters")

VERSION = version("freshet")
WINDOW_S, BUCKET_S = 300, 10  # the ratio is taken over five minutes, which pass in buckets
ALARM_INTERVAL_S = 60.0


@dataclass
class Bucket:
    """How many records were read in ten seconds, and the dead letters among them by reason."""

    number: int
    read: int = 0
    dead_letters: Counter[Reason] = field(default_factory=Counter)


class RecentCounts:
    """How many records were read and how many of them became dead letters, over the last five minutes."""

    def __init__(self) -> None:
        self._buckets: deque[Bucket] = deque()
        self.read = 0
        self.dead_letters: Counter[Reason] = Counter()

    def add(self, now_s: float, read: int, reasons: Sequence[Reason]) -> None:
        """Count the records of one poll."""
        number = int(now_s // BUCKET_S)
        if not self._buckets or self._buckets[-1].number != number:
            self._buckets.append(Bucket(number))
        while self._buckets[0].number <= number - WINDOW_S // BUCKET_S:
            old = self._buckets.popleft()
            self.read -= old.read
            self.dead_letters -= old.dead_letters
        self.read += read
        self._buckets[-1].read += read
        if reasons:
            self.dead_letters.update(reasons)
            self._buckets[-1].dead_letters.update(reasons)


class Alarm:
    """Logs an error while too many of an agent's records become dead letters, once a minute at most."""

    def __init__(self, agent: str, allowed_ratio: float) -> None:
        self.recent = RecentCounts()
        self._agent, self._allowed_ratio, self._raised_s = agent, allowed_ratio, float("-inf")

    def add(self, now_s: float, read: int, reasons: Sequence[Reason]) -> None:
        """Count the records of one poll, and raise the alarm where that makes too many dead letters."""
        self.recent.add(now_s, read, reasons)
        if now_s < self._raised_s + ALARM_INTERVAL_S:
            return
        read, dead_letters = self.recent.read, self.recent.dead_letters
        if dead_letters.total() > self._allowed_ratio * read:
            self._raised_s = now_s
            log.error(
                "%s: %d of the %d records of the last %d minutes became dead letters (%s), more than the ratio of %g "
                "that dead_letter_alarm_ratio allows; `freshet dlq show` shows the reasons",
                self._agent,
                dead_letters.total(),
                read,
                WINDOW_S // 60,
                ", ".join(f"{count} {reason}" for reason, count in dead_letters.most_common()),
                self._allowed_ratio,
            )


class DeadLetterPublisher:
    """Publishes an agent's dead letters through its producer, and counts them for the alarm."""

    def __init__(self, settings: Settings, out: ConfirmedProducer, agent: str, measures: Measures) -> None:
        self._settings, self._out = settings, out
        self._agent, self._measures = agent, measures
        self.alarm = Alarm(agent, settings.dead_letter_alarm_ratio)

    async def put(self, dead_letters: Sequence[DeadLetter], read: int) -> None:
        """Publish what could not be used of `read` records; what the agent makes of the others may be sent after that.

        In the other order a crash could leave newer state without the dead letter, as known events are not read twice.
        """
        if dead_letters:
            await put_dead_letters(self._out, self._settings, dead_letters)
            await self._out.confirmed()
            for reason, count in Counter(one.reason for one in dead_letters).items():
                self._measures.count("freshet_dead_letters_total", count, agent=self._agent, reason=reason)
        self.alarm.add(time.monotonic(), read, [one.reason for one in dead_letters])

    async def put_unreadable(self, batches: Sequence[UnreadableBatch]) -> None:
        """Publish one dead letter for each batch that Kafka's client could not read."""
        if batches:
            await self.put([of_batch(batch) for batch in batches], read=0)


def of_batch(batch: UnreadableBatch) -> DeadLetter:
    """A dead letter for a batch: its first offset is the place, and nothing is known of what it held."""
    return DeadLetter(
        reason=Reason.DECODE,
        detail=batch.detail,
        topic=batch.topic,
        partition=batch.partition,
        offset=batch.first,
        at_ms=batch.newest_ms,
        key=None,
        value=b"",
    )


async def put_dead_letters(out: ConfirmedProducer, settings: Settings, dead_letters: Iterable[DeadLetter]) -> None:
    """Add dead letters to what the producer sends next, each on the partition of the original's key."""
    await out.put_by_key(DEAD_LETTERS.full(settings.prefix), [to_record(one) for one in dead_letters])


def to_record(dead_letter: DeadLetter) -> Outgoing:
    """A dead letter as a record; a key is cut as the value is, so that none is too large to be written."""
    key = None if dead_letter.key is None else dead_letter.key[:LETTER_BYTES]
    return Outgoing(key, dead_letter.value[:LETTER_BYTES], letter_headers(dead_letter, VERSION))
