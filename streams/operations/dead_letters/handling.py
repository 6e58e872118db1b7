"""Dealing with dead letters: sending them to their topics again, as they are or corrected, and discarding them."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal, NamedTuple

from schemas.messages.dead_letters import ATTEMPTS, Handled, Reason
from schemas.settings.model import Settings
from schemas.topics import DEAD_LETTERS, HANDLED
from streams.dead_letters.handled import Place, handled_places, to_outgoing
from streams.dead_letters.store import Choice, StoredDeadLetter, read_all, stored_dead_letters
from streams.errors import OperatorError
from streams.kafka.command_publisher import CommandPublisher, command_publisher
from streams.kafka.command_reader import command_reader
from streams.kafka.confirmed_producer import Outgoing
from streams.operations.dead_letters.exchange import Edited, NotALine, corrected, edited
from streams.operations.dead_letters.verdict import now_ms, why_not_again, why_not_valid

BATCH_SIZE = 500  # dead letters that are sent, and then marked
DELIVERY_TIMEOUT_S = 120.0

Done = Literal["discarded", "replayed"]


@dataclass
class Replayed:
    """How many dead letters were sent again by topic, and why others were left out."""

    sent: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)


class Verdict(NamedTuple):
    """What became of a line of a file of dead letters; without `why` it was sent, or would be."""

    line: int
    place: Place | None  # None: the line names none
    why: str | None


def replay(settings: Settings, choice: Choice, dry_run: bool) -> Replayed:
    """Send what can succeed of a choice to its topics again, each once; the others stay where they are.

    With `dry_run` nothing is sent. Raises OperatorError where the broker refuses a record.
    """
    done, at_ms = Replayed(), now_ms()
    is_sent = _sent_by_former_release(settings)

    def usable() -> Iterator[StoredDeadLetter]:
        for one in stored_dead_letters(settings, choice):
            if is_sent(one):
                continue
            if why := why_not_again(one, settings, at_ms):
                done.left_out[why] += 1
                continue
            done.sent[one.topic] += 1
            yield one

    with _publishing(settings, dry_run) as publisher:
        left = usable()
        while batch := list(islice(left, BATCH_SIZE)):
            _send(settings, publisher, batch)
    return done


def replay_lines(settings: Settings, lines: Iterable[bytes], dry_run: bool) -> Iterator[Verdict]:
    """Send the dead letters of a file as its lines have them, and say of each line what became of it, in their order.

    Refused is what the agent of its topic would refuse again, what was not changed although it failed for good, and
    what was dealt with already or is no longer on the topic.
    """
    read, at_ms = [*_read(lines)], now_ms()
    wanted = {one.at for one in read if isinstance(one, Edited)}
    stored, handled = _stored(settings, wanted)
    is_sent = _sent_by_former_release(settings)
    handled.update(at for at, letter in stored.items() if is_sent(letter))
    with _publishing(settings, dry_run) as publisher:
        for begin in range(0, len(read), BATCH_SIZE):
            verdicts, batch = list[Verdict](), list[StoredDeadLetter]()
            for one in read[begin : begin + BATCH_SIZE]:
                if isinstance(one, Verdict):
                    verdicts.append(one)
                    continue
                why, letter = _judged(one, stored, handled, settings, at_ms)
                verdicts.append(Verdict(one.number, one.at, why))
                if letter:
                    batch.append(letter)
                    handled.add(one.at)  # a second line of it is refused
            _send(settings, publisher, batch)
            yield from verdicts


def discard(settings: Settings, choice: Choice, dry_run: bool) -> Counter[tuple[str, str]]:
    """Mark a choice of dead letters as dealt with; how many by reason and topic."""
    found = Counter[tuple[str, str]]()

    def counted() -> Iterator[StoredDeadLetter]:
        for one in stored_dead_letters(settings, choice):
            found[one.reason, one.topic] += 1
            yield one

    with _publishing(settings, dry_run) as publisher:
        left = counted()
        while batch := list(islice(left, BATCH_SIZE)):
            _mark(settings, publisher, batch, "discarded")
    return found


def places_in(lines: Iterable[bytes]) -> frozenset[Place]:
    """The dead letters that a file names; OperatorError at a line that names none."""
    found = set[Place]()
    for one in _read(lines):
        if isinstance(one, Verdict):
            raise OperatorError(f"line {one.line}: {one.why}.", "Give a file of `freshet dlq export`.")
        found.add(one.at)
    return frozenset(found)


def _judged(
    line: Edited, stored: Mapping[Place, StoredDeadLetter], handled: set[Place], settings: Settings, at_ms: int
) -> tuple[str | None, StoredDeadLetter | None]:
    """Why a line is refused, or what is to be sent for it."""
    letter = stored.get(line.at)
    if letter is None:
        return "no dead letter lies there: it may have expired", None
    if line.at in handled:
        return "it was dealt with already", None
    by = corrected(letter, line)
    why = why_not_again(letter, settings, at_ms) if by == letter else why_not_valid(by, settings, at_ms)
    return (why, None) if why else (None, by)


def _read(lines: Iterable[bytes]) -> Iterator[Edited | Verdict]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield edited(number, line)
        except NotALine as error:
            yield Verdict(number, None, f"the line is no dead letter: {error}")


def _stored(settings: Settings, wanted: set[Place]) -> tuple[dict[Place, StoredDeadLetter], set[Place]]:
    """The dead letters at these places, and which of them were dealt with."""
    with command_reader(settings) as reader:
        handled = wanted & handled_places(reader, settings.prefix)
        return {one.at: one for one in read_all(reader, settings.prefix) if one.at in wanted}, handled


def _send(settings: Settings, publisher: CommandPublisher | None, batch: Sequence[StoredDeadLetter]) -> None:
    """Send the originals topic by topic, and mark those of a topic once all are confirmed.

    A crash between the two sends some of them twice; a topic that refuses takes nothing from the others.
    """
    if publisher is None:
        return
    by_topic: dict[str, list[StoredDeadLetter]] = defaultdict(list)
    for one in batch:
        by_topic[one.topic].append(one)
    for topic, letters in by_topic.items():
        publisher.publish(topic, [*map(_original, letters)])
        _mark(settings, publisher, letters, "replayed")


def _original(letter: StoredDeadLetter) -> Outgoing:
    headers = [*letter.kept, (ATTEMPTS, str(letter.attempts + 1).encode())]
    return Outgoing(letter.key, letter.value, headers)


def _mark(
    settings: Settings, publisher: CommandPublisher | None, batch: Sequence[StoredDeadLetter], done: Done
) -> None:
    if publisher and batch:
        marks = [
            Handled(partition=one.partition, offset=one.offset, written_ms=one.written_ms, reason=one.reason, done=done)
            for one in batch
        ]
        publisher.publish(HANDLED.full(settings.prefix), [*map(to_outgoing, marks)])


def _publishing(settings: Settings, dry_run: bool) -> AbstractContextManager[CommandPublisher | None]:
    """What sends; None where nothing is to be sent. The topic of the marks has to be there before anything is."""
    if dry_run:
        return nullcontext()
    with command_reader(settings) as reader:
        reader.require_partitions(HANDLED.full(settings.prefix))
    remedy = "Nothing is lost: run the command again. What a topic had taken just before may be sent twice."
    return command_publisher(settings, limit_s=DELIVERY_TIMEOUT_S, remedy=remedy)


def _sent_by_former_release(settings: Settings) -> Callable[[StoredDeadLetter], bool]:
    """What releases before 0.3 have replayed, which kept that as a group's offsets for each reason; for one release."""
    topic, sent = DEAD_LETTERS.full(settings.prefix), dict[tuple[str, int], int]()
    for reason in Reason:
        with command_reader(settings, {"group.id": f"{settings.prefix}dlq-replay-{reason}"}) as reader:
            for partition in reader.partitions(topic):
                sent[reason, partition] = reader.committed(topic, partition) or 0
    return lambda letter: letter.offset < sent.get((letter.reason, letter.partition), 0)
