"""Dead letters on their way out, and the alarm when they become too many."""

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

log = logging.getLogger("freshet.letters")

VERSION = version("freshet")
SPAN_S, STEP_S = 300, 10  # the share is taken over five minutes, which pass in steps
SAY_EVERY_S = 60.0


@dataclass
class Step:
    """What was read in ten seconds, and the dead letters among it by reason."""

    number: int
    read: int = 0
    letters: Counter[Reason] = field(default_factory=Counter)


class Shares:
    """How many records were read and how many of them became dead letters, over the last five minutes."""

    def __init__(self) -> None:
        self._steps: deque[Step] = deque()
        self.read = 0
        self.letters: Counter[Reason] = Counter()

    def count(self, now_s: float, read: int, letters: Sequence[Reason]) -> None:
        """Take in what one poll brought."""
        number = int(now_s // STEP_S)
        if not self._steps or self._steps[-1].number != number:
            self._steps.append(Step(number))
        while self._steps[0].number <= number - SPAN_S // STEP_S:
            old = self._steps.popleft()
            self.read -= old.read
            self.letters -= old.letters
        self.read += read
        self._steps[-1].read += read
        if letters:
            self.letters.update(letters)
            self._steps[-1].letters.update(letters)


class Alarm:
    """Complains while too many of an agent's records become dead letters, once a minute at most."""

    def __init__(self, agent: str, allowed: float) -> None:
        self.shares = Shares()
        self._agent, self._allowed, self._said_s = agent, allowed, float("-inf")

    def take(self, now_s: float, read: int, letters: Sequence[Reason]) -> None:
        """Take in what one poll brought, and complain where that makes it too many."""
        self.shares.count(now_s, read, letters)
        if now_s < self._said_s + SAY_EVERY_S:
            return
        read, found = self.shares.read, self.shares.letters
        if found.total() > self._allowed * read:
            self._said_s = now_s
            log.error(
                "%s: %d of the %d records of the last %d minutes became dead letters (%s), more than the share of %g "
                "that letters_alarm allows; `freshet dlq show` tells why",
                self._agent,
                found.total(),
                read,
                SPAN_S // 60,
                ", ".join(f"{count} {reason}" for reason, count in found.most_common()),
                self._allowed,
            )


class DeadLetterPublisher:
    """An agent's dead letters: put into its outbox, and counted for the alarm."""

    def __init__(self, settings: Settings, out: ConfirmedProducer, agent: str) -> None:
        self._settings, self._out = settings, out
        self.alarm = Alarm(agent, settings.letters_alarm)

    async def put(self, letters: Sequence[DeadLetter], read: int) -> None:
        """Send what could not be used of `read` records; what the agent makes of the others may go out after that.

        Otherwise a crash could leave newer state without the letter, and what is known is not read twice.
        """
        if letters:
            await put_letters(self._out, self._settings, letters)
            await self._out.confirmed()
        self.alarm.take(time.monotonic(), read, [one.reason for one in letters])


async def put_letters(out: ConfirmedProducer, settings: Settings, letters: Iterable[DeadLetter]) -> None:
    """Put dead letters into the outbox, each on the partition of the original's key."""
    await out.put_by_key(DEAD_LETTERS.full(settings.prefix), [outgoing(one) for one in letters])


def outgoing(letter: DeadLetter) -> Outgoing:
    """A dead letter as a record; a key is cut as the value is, so that no letter is too large to be written."""
    key = None if letter.key is None else letter.key[:LETTER_BYTES]
    return Outgoing(key, letter.value[:LETTER_BYTES], letter_headers(letter, VERSION))
