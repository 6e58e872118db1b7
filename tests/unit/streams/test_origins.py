"""Headers that say where an event was first read, as anybody can write them."""

from collections.abc import Iterable

from ranker.profile.codec import unpack
from schemas.messages import feedback
from schemas.settings.model import Settings
from schemas.topics import FEEDBACK
from streams.dead_letters.validation import ORIGIN
from streams.kafka.records import Headers, Place, Record, partition_of
from streams.profiles.origins import Ends, OriginEnds
from streams.profiles.state import empty_partition
from streams.profiles.step import ProfilesStep
from tests.support.events import NOON, liked, minute

HOME = partition_of(b"ana", 4)
AWAY = (HOME + 1) % 4
TOPIC = FEEDBACK.name


def like(offset: int, origin: int | None = None, partition: int = AWAY) -> Record:
    headers: Headers = () if origin is None else ((ORIGIN, f"{TOPIC}/{partition}/{origin}".encode()),)
    value = feedback.encode(liked("ana", f"v{offset}", minute(offset)))
    return Record(TOPIC, HOME, offset, NOON, b"ana", value, headers)


def counted(records: list[Record], ends: Ends) -> int:
    """How many likes a profile takes in, one poll for each."""
    state = empty_partition(HOME)
    step = ProfilesStep(Settings(prefix=""), {HOME: state}, trends_limit=0)
    for record in records:
        step.apply([((TOPIC, HOME), [record])], 4, ends=ends)
    return unpack(state.profiles.packed["ana"]).version


def test_a_made_up_place_hides_nothing_that_is_sent_on_later() -> None:
    made_up = 999_999_999_999
    assert counted([like(0, made_up), like(1, 40), like(2, 41), like(3, made_up)], {AWAY: 42}) == 4


def test_what_is_sent_on_twice_counts_once() -> None:
    assert counted([like(0, 40), like(1, 41), like(2, 40), like(3, 41)], {AWAY: 42}) == 2


class Broker:
    """Says where partitions end, now and then not at all."""

    def __init__(self) -> None:
        self.end, self.asked, self.silent = 42, list[list[Place]](), 0

    async def ends_of(self, places: Iterable[Place]) -> dict[Place, int]:
        self.asked.append(list(places))
        if self.silent:
            self.silent -= 1
            raise TimeoutError
        return dict.fromkeys(self.asked[-1], self.end)


async def test_the_broker_is_asked_where_a_place_lies_behind_what_is_known() -> None:
    broker = Broker()
    origins = OriginEnds(TOPIC, broker.ends_of)
    broker.silent = 2
    assert await origins.of([((TOPIC, HOME), [like(0), like(1, 40)])], "id", 4) == {AWAY: 42}
    assert await origins.of([((TOPIC, HOME), [like(2), like(3, 41)]), (("other", 0), [like(0, 99)])], "id", 4) == {
        AWAY: 42
    }
    assert broker.asked == [[(TOPIC, AWAY)]] * 3
    broker.end = 50
    assert await origins.of([((TOPIC, HOME), [like(4, 42)])], "id", 4) == {AWAY: 50}
    broker.end = 3
    assert await origins.of([((TOPIC, HOME), [like(5, 2)])], "another topic of the name", 4) == {AWAY: 3}


async def test_of_a_partition_that_sent_nothing_on_nobody_is_asked() -> None:
    broker = Broker()
    made_up = [like(offset, 0, partition) for offset, partition in enumerate((HOME, 4, 999_999_999))]
    assert await OriginEnds(TOPIC, broker.ends_of).of([((TOPIC, HOME), made_up)], "id", 4) == {}
    assert broker.asked == []


def test_a_place_on_the_own_partition_is_made_up() -> None:
    assert counted([like(0, 7, HOME), like(1, 7, HOME)], {}) == 2
