"""Examples that a worker sent with profiles and did not live to see confirmed: who recovers these sends them again."""

import msgspec
import pytest

from ranker.profile.example import decode_examples
from schemas import topics
from schemas.messages import feedback
from schemas.messages.feedback import Feedback
from schemas.settings.model import Settings
from streams.kafka.records import Record
from streams.kafka.sends import Send
from streams.profiles.state import empty_partition
from streams.profiles.step import ProfilesOutcome, ProfilesStep
from streams.profiles.unconfirmed import HEADER, UnconfirmedExamples
from tests.support.events import liked, minute, watched

LAST = 2**62  # beyond every place
EVENTS = [watched(person, f"v{number}", minute(number)) for number, person in enumerate(["ana", "ben", "ana", "cem"])]


def records(events: list[Feedback], first: int = 0) -> list[Record]:
    topic = topics.FEEDBACK.name
    return [
        Record(topic, 0, first + n, minute(n), one.user_id.encode(), feedback.encode(one))
        for n, one in enumerate(events)
    ]


def step() -> ProfilesStep:
    return ProfilesStep(Settings(prefix=""), {0: empty_partition(0)}, trends_limit=0, for_learning=True)


def applied(on: ProfilesStep, read: list[Record]) -> ProfilesOutcome:
    return on.apply([((topics.FEEDBACK.name, 0), read)], 1)


def sent(to: topics.Topic, sends: list[Send]) -> list[Send]:
    return [send for send in sends if send.topic == to.name]


def places(outcome: ProfilesOutcome) -> list[int]:
    values = [one.value or b"" for send in sent(topics.EXAMPLES, outcome.changes) for one in send.records]
    return [example.place for value in values for example in decode_examples(value).examples]


def recovered(outcome: ProfilesOutcome, people: set[str], since: int = 0) -> ProfilesStep:
    """A worker that finds the profiles of these people alone, and no example."""
    state = empty_partition(0)
    (profiles,) = sent(topics.PROFILES, outcome.changes)
    for one in profiles.records:
        user_id = (one.key or b"").decode()
        if user_id in people:
            state.profiles.packed[user_id] = one.value or b""
            state.unconfirmed.note(user_id, one.headers, since)
    return ProfilesStep(Settings(prefix=""), {0: state}, trends_limit=0, for_learning=True)


def test_a_profile_has_the_examples_of_its_batch_beside_it() -> None:
    outcome = applied(step(), records(EVENTS))
    assert places(outcome) == [0, 1, 2, 3] and len(outcome.stages) == 1
    (profiles,) = sent(topics.PROFILES, outcome.changes)
    beside = {one.key: decode_examples((dict(one.headers)[HEADER] or b"")[8:]).examples for one in profiles.records}
    assert {key: [one.place for one in found] for key, found in beside.items()} == {
        b"ana": [0, 2],
        b"ben": [1],
        b"cem": [3],
    }


@pytest.mark.parametrize("people", [{"ana"}, {"ben", "cem"}, {"ana", "ben", "cem"}, set()])
def test_whatever_was_written_every_example_goes_again_in_its_place(people: set[str]) -> None:
    again = applied(recovered(applied(step(), records(EVENTS)), people), records(EVENTS))
    assert places(again) == [0, 1, 2, 3]


def test_what_lies_further_on_waits_until_it_is_read_again() -> None:
    later = recovered(applied(step(), records(EVENTS)), {"ana", "cem"})
    assert [places(applied(later, records(EVENTS)[n : n + 1])) for n in range(4)] == [[0], [1], [2], [3]]
    assert places(applied(later, records(EVENTS))) == []


def test_a_profile_that_is_written_before_all_of_it_goes_again_keeps_what_is_left() -> None:
    first = applied(step(), records(EVENTS))
    second = applied(recovered(first, {"ana"}), records([EVENTS[0], liked("ana", "v9", minute(9))], 1))
    assert places(applied(recovered(second, {"ana"}), records(EVENTS))) == [0, 1, 2, 3]


def test_what_was_committed_is_not_sent_again() -> None:
    later = recovered(applied(step(), records(EVENTS)), {"ana", "ben", "cem"}, since=2)
    assert places(applied(later, records(EVENTS)[2:])) == [2, 3]


def test_who_has_too_many_for_a_header_has_them_confirmed_before() -> None:
    many = [watched("ana", f"{'v' * 200}{n}", minute(n)) for n in range(500)]
    outcome = applied(step(), records(many))
    assert sent(topics.EXAMPLES, outcome.first) and not sent(topics.EXAMPLES, outcome.changes)
    (profiles,) = sent(topics.PROFILES, outcome.changes)
    assert not profiles.records[0].headers


@pytest.mark.parametrize("header", [(HEADER, None), (HEADER, b""), (HEADER, b"\x00"), ("trace", b"\xff" * 20)])
def test_what_says_nothing_of_examples_is_left_alone(header: tuple[str, bytes | None]) -> None:
    found = UnconfirmedExamples()
    found.note("ana", [header], 1)
    assert not found.merge((), LAST)


@pytest.mark.parametrize("data", [b"\xc1", b"\xff", b"\x92\x00"])
def test_a_damaged_header_is_refused_whole(data: bytes) -> None:
    found = UnconfirmedExamples()
    with pytest.raises(msgspec.DecodeError):
        found.note("ana", [(HEADER, b"\xff" * 8 + data)], 0)
    assert not found.merge((), LAST)
