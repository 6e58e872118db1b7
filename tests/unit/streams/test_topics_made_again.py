"""Offsets of a topic that was deleted and made again: which count, and what is stored of them."""

from collections.abc import Sequence

import pytest

from ranker.catalogue.popularity import TrendCounts
from ranker.profile.codec import pack, state_digest, unpack
from ranker.profile.fold import Arrival, fold_batch
from ranker.profile.model import EMPTY, Profile, offset_base
from schemas.messages.fields import DAY_MS
from schemas.messages.trends import decode_trends, encode
from schemas.settings.model import Settings
from schemas.topics import FEEDBACK, PROFILES
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.records import Record
from streams.kafka.topic_watch import TopicIdentity, made_again
from streams.profiles.feedback_topic import cut_back, topic_ids, unnamed_topics
from streams.ranking.slates import source_headers, source_offset_of
from streams.worker.partition_counts import differing
from tests.support.events import NOON, liked

SECOND = offset_base(1)


def taken(users: dict[str, Profile], arrivals: Sequence[Arrival], base: int) -> dict[str, Profile]:
    """The profiles after these, which were read from a topic with this base."""
    found = fold_batch(users, arrivals, DAY_MS, base=base)
    return users | {user_id: unpack(data) for user_id, data in found.changed.items()}


def like(number: int, offset: int, rerouted_from: tuple[int, int] | None = None) -> Arrival:
    return Arrival(liked("ana", f"v{number}", NOON + number), "feedback.v1", 0, offset, rerouted_from)


def test_a_known_persons_events_count_from_the_first_offset_of_a_second_topic_on() -> None:
    users = taken({}, [like(n, n) for n in range(5)], 0)
    refused = taken(users, [like(5, 0)], 0)
    counted = taken(users, [like(5, 0), like(6, 1)], SECOND)
    assert [one["ana"].version for one in (users, refused, counted)] == [5, 5, 7]
    assert taken(counted, [like(5, 0), like(6, 1)], SECOND) == counted, "redelivered"


def test_what_a_partition_sent_on_counts_once_in_each_topic() -> None:
    sent_on = [like(n, 10 + n, (3, n)) for n in range(4)]
    users = taken({}, sent_on, 0)
    again = taken(users, [like(9, 2, (3, 0))], SECOND)
    assert (users["ana"].version, again["ana"].version) == (4, 5)
    assert again["ana"].applied == {0: SECOND + 2, ~3: SECOND}
    assert taken(again, [like(9, 3, (3, 0))], SECOND) == again


def test_the_first_topics_profiles_keep_their_bytes_and_every_digest_is_the_same() -> None:
    first, second = (taken({}, [like(n, n) for n in range(5)], base) for base in (0, SECOND))
    assert first["ana"].applied == {0: 4}
    assert len(pack(second["ana"])) - len(pack(first["ana"])) == 8
    assert state_digest(first.items()) == state_digest(second.items())
    origin = second["ana"].origin
    assert origin is not None
    assert origin.offset == 4, "a slate names the offset that the topic has"


def test_trends_count_people_of_a_second_topic_and_keep_the_ids() -> None:
    counts = TrendCounts()
    counts.topic_ids = ["a"]
    counts.count(fold_batch({}, [like(n, n) for n in range(5)], DAY_MS))
    counts.topic_ids = ["a", "b"]
    counts.count(fold_batch({}, [like(n, n - 5) for n in range(5, 8)], DAY_MS, base=counts.base))
    restored = TrendCounts()
    restored.restore(decode_trends(encode(counts.record(tick=1, limit=100))))
    assert (len(restored.counts), restored.base, restored.topic_ids) == (8, SECOND, ["a", "b"])
    late = TrendCounts()
    late.topic_ids = ["a"]
    restored.restore(late.record(tick=1, limit=100))
    assert restored.topic_ids == ["a", "b"], "a worker that woke up late knew fewer"


@pytest.mark.parametrize(
    ("known", "present", "expected"),
    [([], "a", ["a"]), (["a"], "a", ["a"]), (["a"], "b", ["a", "b"]), (["a", "b"], "", ["a", "b"])],
)
def test_a_topic_that_is_not_the_last_known_one_is_a_further_one(
    known: list[str], present: str, expected: list[str]
) -> None:
    assert topic_ids(known, present) == expected


@pytest.mark.parametrize(
    ("applied", "end", "before"),
    [({0: 4}, 5, 0), ({0: 4}, 3, 1), ({0: SECOND + 4}, 5, 1), ({0: SECOND + 4}, 3, 2), ({1: 99}, 5, 0), ({}, 0, 0)],
)
def test_without_ids_the_number_of_topics_is_told_from_the_stored_offsets(
    applied: dict[int, int], end: int, before: int
) -> None:
    packed = {"ana": pack(Profile(1, 1, None, applied, (), (), (), (), (), b"", b"", {})), "damaged": b"\x00"}
    assert unnamed_topics(packed, 0, end) == [""] * before


def test_only_who_applied_what_was_cut_off_is_changed() -> None:
    packed = {
        "ana": pack(Profile(7, 1, None, {0: 40, 1: 90}, (), (), (), (), (), b"", b"", {})),
        "bob": pack(Profile(7, 1, None, {0: 19}, (), (), (), (), (), b"", b"", {})),
        "eve": pack(EMPTY),
    }
    changed = {user_id: unpack(data) for user_id, data in cut_back(packed, 0, 20).items()}
    assert {user_id: one.applied for user_id, one in changed.items()} == {"ana": {0: 19, 1: 90}}
    assert changed["ana"].version == 7


def test_a_slate_of_another_profiles_topic_answers_nothing_of_this_one() -> None:
    profile = Record(PROFILES.name, 0, 41, NOON, b"ana", b"")
    for topic_id, offset in (("one", 41), ("", 41), ("another", -1)):
        out = Outgoing(b"ana", b"", source_headers(profile, "one"))
        slate = Record("recommendations.v1", 0, 7, NOON, out.key, out.value, out.headers)
        assert source_offset_of(slate, topic_id) == offset
    before = Record("recommendations.v1", 0, 7, NOON, b"ana", b"", source_headers(profile))
    assert source_offset_of(before, "one") == 41, "a release before this one named no topic"


def test_a_topic_that_is_away_for_a_moment_was_not_made_again() -> None:
    before = {"a": TopicIdentity("1", 4), "b": TopicIdentity("2", 4)}
    assert made_again(before, {"b": TopicIdentity("2", 4)}) == []
    assert made_again(before, {"a": TopicIdentity("3", 4), "b": TopicIdentity("2", 4)}) == ["a"]


def test_a_grown_topic_is_told_in_the_words_of_the_check() -> None:
    name = FEEDBACK.full("freshet.")
    assert differing({name: TopicIdentity("1", 4)}, Settings()) == []
    (sentence,) = differing({name: TopicIdentity("1", 6)}, Settings())
    assert sentence.startswith(f"{name}: partitions is 6, wanted 4; refused")
