"""Where events that were sent on were first read, as their header says: whoever writes feedback.v1 can write that too.

A profile takes no event from a partition below the newest place there that it has applied. So a place that the
partition has not reached yet would hide all that comes from there: it is made up, and counts as none.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress

from msgspec.structs import replace

from ranker.profile.fold import Arrival
from streams.dead_letters.validation import sent_on_from
from streams.kafka.records import Place, Polled, Record

Ends = Mapping[int, int]  # by partition the offset after its last record
Ask = Callable[[Iterable[Place]], Awaitable[Mapping[Place, int]]]


class OriginEnds:
    """The ends of the partitions that records name; asked where a place lies behind what was known.

    ask  gives the ends of some partitions; TimeoutError where the broker does not answer
    """

    def __init__(self, topic: str, ask: Ask) -> None:
        self._topic, self._ask = topic, ask
        self._of = ""  # the topic's id
        self._ends: dict[int, int] = {}

    async def of(self, poll: Polled, topic_id: str, partitions: int) -> Ends:
        """Ends that tell what is made up; nothing is asked where no record names a new place.

        partitions  of the topic: of one that it does not have the broker says nothing, however often it is asked
        """
        if topic_id != self._of:
            self._of, self._ends = topic_id, {}
        origins = _origins((records for (topic, _), records in poll if topic == self._topic), partitions)
        further = {(self._topic, p) for p, offset in origins if offset >= self._ends.get(p, 0)}
        while further:
            with suppress(TimeoutError):
                found = await self._ask(sorted(further))
                self._ends |= {partition: end for (_, partition), end in found.items()}
                break
        return self._ends


def _origins(batches: Iterable[Iterable[Record]], partitions: int) -> Iterator[tuple[int, int]]:
    origins = (sent_on_from(record, partitions) for records in batches for record in records if record.headers)
    return (origin for origin in origins if origin)


def believed(arrivals: list[Arrival], ends: Ends) -> list[Arrival]:
    """The same events, without places that their partitions have not reached; all are believed of unknown ends.

    >>> from schemas.messages.feedback import Like
    >>> like = Arrival(Like(user_id="ana", video_id="v", at_ms=1_764_144_000_000), "feedback.v1", 0, 7, (2, 100))
    >>> [one.rerouted_from for end in (101, 100) for one in believed([like], {2: end})]
    [(2, 100), None]
    """
    return [replace(one, rerouted_from=None) if _is_made_up(one.rerouted_from, ends) else one for one in arrivals]


def _is_made_up(origin: tuple[int, int] | None, ends: Ends) -> bool:
    return origin is not None and origin[0] in ends and origin[1] >= ends[origin[0]]
