"""A repeat is a repeat at any distance: by its id, by its offset, or by where it was read before it was sent on."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.profile.codec import pack, state_digest, unpack
from ranker.profile.event_ids import EventIds, Page
from ranker.profile.fold import Arrival, fold_batch
from ranker.profile.model import Profile
from schemas.messages.feedback import Feedback
from schemas.messages.fields import DAY_MS
from tests.support.events import NOON, arrivals, liked, minute

LATE_MS = DAY_MS


class Store:
    """What is stored of people between batches."""

    def __init__(self) -> None:
        self.profiles: dict[str, Profile] = {}
        self.pages: dict[str, list[Page]] = {}
        self.repeats = self.late = 0

    def fold(self, batch: Sequence[Arrival]) -> None:
        event_ids = {user_id: EventIds(theirs) for user_id, theirs in self.pages.items()}
        found = fold_batch(self.profiles, batch, LATE_MS, event_ids=event_ids)
        self.profiles |= {user_id: unpack(data) for user_id, data in found.changed.items()}
        self.repeats += len(found.repeats)
        self.late += len(found.late)
        for user_id, theirs in found.pages.items():
            self.pages[user_id] = [*self.pages.get(user_id, []), *theirs]

    def counts(self, user_id: str = "ana") -> int:
        return sum(self.profiles[user_id].counts.values())

    def bytes_of(self, user_id: str = "ana") -> int:
        return len(pack(self.profiles[user_id]))


def likes(numbers: Iterable[int]) -> list[Feedback]:
    return [liked("ana", f"v{number % 50}", minute(number / 60), event_id=f"e{number}") for number in numbers]


def folded_in(batch_size: int, events: Sequence[Feedback]) -> Store:
    store, all_of_them = Store(), arrivals(events)
    for start in range(0, len(events), batch_size):
        store.fold(all_of_them[start : start + batch_size])
    return store


def test_a_log_that_is_published_twice_counts_once():
    store = folded_in(100, [*likes(range(1000)), *likes(range(1000))])
    assert (store.counts(), store.repeats) == (1000, 1000)


def test_ten_thousand_events_ago_is_remembered_and_the_profile_stays_small():
    store = folded_in(100, likes(range(10_000)))
    store.fold(arrivals(likes(range(64, 9_000)), first=20_000))
    assert (store.counts(), store.repeats) == (10_000, 8_936)
    assert store.bytes_of() < 7_000


def test_a_repeat_behind_all_that_is_remembered_counts_again_unless_it_is_late():
    memory = 154 * 64 + 128
    store = folded_in(500, likes(range(2 * memory)))
    store.fold(arrivals(likes([0]), first=100_000))
    assert (store.counts(), store.late) == (2 * memory + 1, 0)
    store.fold(arrivals(likes([3 * DAY_MS // 1000]), first=200_000))
    store.fold(arrivals(likes([1]), first=300_000))
    assert (store.counts(), store.late) == (2 * memory + 2, 1)


def test_a_page_that_was_kept_without_its_profile_refuses_nothing():
    ahead, store = Store(), Store()
    for one in (ahead, store):
        one.fold(arrivals(likes(range(120))))
    ahead.fold(arrivals(likes(range(120, 140)), first=120))
    [page] = ahead.pages["ana"]
    assert page.version > store.profiles["ana"].version  # which is how a recovery knows that it does not count yet


@given(
    numbers=st.lists(st.integers(0, 299), min_size=1, max_size=600),
    cuts=st.lists(st.integers(1, 600), max_size=8, unique=True),
)
@settings(max_examples=60, deadline=None)
def test_what_counts_does_not_depend_on_where_batches_are_cut(numbers: list[int], cuts: list[int]):
    whole, parts = Store(), Store()
    events = arrivals(likes(numbers))
    whole.fold(events)
    for start, end in pairwise([0, *sorted(cuts), len(events)]):
        parts.fold(events[start:end])
    assert parts.counts() == whole.counts() == len(set(numbers))
    assert state_digest(parts.profiles.items()) == state_digest(whole.profiles.items())
    assert parts.repeats == whole.repeats


def sent_on(event: Feedback, offset: int, rerouted_from: tuple[int, int]) -> Arrival:
    return Arrival(event, "feedback", 0, offset, rerouted_from)


def test_what_was_sent_on_twice_counts_once_however_much_lies_between():
    events = [liked("ana", f"v{number}", NOON + number) for number in range(500)]
    first = [sent_on(event, number, (3, number)) for number, event in enumerate(events)]
    again = [sent_on(event, 500 + number, (3, number)) for number, event in enumerate(events)]
    store = Store()
    store.fold(first)
    store.fold(again)
    assert (store.counts(), store.repeats) == (500, 500)


def test_five_thousand_events_of_twenty_people_that_were_sent_on_twice_count_once():
    """A worker is killed before it could commit what it had sent on, and the next one sends all of it on again."""
    events = [liked(f"u{n % 20}", f"v{n % 97}", NOON + n) for n in range(5_100)]
    store = Store()
    for copy in range(2):
        for start in range(0, len(events), 300):
            part = enumerate(events[start : start + 300], start)
            store.fold([sent_on(event, copy * len(events) + n, (n % 3 + 1, n // 3)) for n, event in part])
    assert sum(store.counts(user_id) for user_id in store.profiles) == len(events) == store.repeats


def test_a_place_on_another_partition_is_another_place():
    event, store = liked("ana", "v1"), Store()
    store.fold([sent_on(event, 0, (3, 7)), sent_on(event, 1, (2, 7)), sent_on(event, 2, (3, 7))])
    store.fold([Arrival(event, "feedback", 3, 7)])  # and what was read there itself is not what was sent from there
    assert (store.counts(), store.repeats) == (3, 1)
    assert store.profiles["ana"].applied == {0: 1, ~3: 7, ~2: 7, 3: 7}
