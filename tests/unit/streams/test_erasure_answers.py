"""Every erasure has its answer: the null profile that names it, and the null slate that answers that."""

from dataclasses import replace
from pathlib import Path

import pytest

from ranker.profile.erasure import coder
from schemas import topics
from schemas.messages import erasures, feedback, recommendations
from schemas.messages.erasures import ERASURE_OFFSET, Erasure, ErasureMarker
from schemas.settings.model import Settings
from streams.kafka.records import Record, TopicPartition
from streams.operations.erase import PublishedErasure
from streams.operations.erasure_audit import in_files
from streams.profiles.erasure import erasure_offset_of
from streams.profiles.state import empty_partition
from streams.profiles.step import ProfilesStep
from streams.ranking.shared_state import SharedState
from streams.ranking.step import RankStep
from tests.support.catalogues import catalogue_of, home_feed, kitchen_and_garden
from tests.support.events import NOON, minute, watched
from tests.support.kafka_logs import breaches, good_log, put, put_event, put_slate, said, slate_for


async def test_each_erasure_of_an_active_person_gives_its_own_null_slate_however_many_lie_in_one_batch() -> None:
    state = empty_partition(0)
    profiles_step = ProfilesStep(Settings(prefix=""), {0: state}, trends_limit=0)
    shared = SharedState(Settings(prefix=""), catalogue_of(*kitchen_and_garden(30)))
    step = RankStep(Settings(prefix=""), shared, home_feed(shared.catalogue).recommend, {})
    written: list[Record] = []
    for at in (10, 20, 30):
        feedback_record = _record(topics.FEEDBACK, at, feedback.encode(watched("ana", "cook-00", minute(at))))
        for record in (feedback_record, _erasure(at, minute(at)), _erasure(at + 1, minute(at + 1))):
            outcome = profiles_step.apply([((record.topic, 0), [record])], 1)
            sends = [send for stage in outcome.stages for send in stage if send.topic == topics.PROFILES.name]
            written += [
                Record(send.topic, 0, len(written) + n, NOON, one.key, one.value, list(one.headers))
                for send in sends
                for n, one in enumerate(send.records)
            ]
    back = _record(topics.FEEDBACK, 40, feedback.encode(watched("ana", "cook-01", minute(40))))
    (send,) = [one for one in profiles_step.apply([((back.topic, 0), [back])], 1).changes if one.topic == "profiles.v1"]
    written.append(Record(send.topic, 0, len(written), NOON, b"ana", send.records[0].value, []))

    tombstones = [one for one in written if one.value is None]
    assert [erasure_offset_of(one) for one in tombstones] == [10, 11, 20, 21, 30, 31]
    (batch,) = step.batches([((topics.PROFILES.name, 0), written)], lambda _: False)
    outcomes = await step.apply(batch)
    slates = [one for send in step.sends(outcomes.answers) for one in send.records]
    assert [one.value is None for one in slates] == [True] * 6 + [False]
    answered = [int(dict(one.headers)[recommendations.SOURCE_OFFSET] or b"") for one in slates]
    assert answered == [*(one.offset for one in tombstones), written[-1].offset]


def test_the_proof_takes_no_bytes_of_the_vectors_of_labels_for_a_person(tmp_path: Path) -> None:
    for name in ("labels/text.sqlite", "logs/worker.log"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"\x00ana\x00")
    assert [one.place for one in in_files(tmp_path, "ana") if one.hits] == [f"{tmp_path / 'logs/worker.log'}:1"]


def test_two_erasures_in_one_poll_give_a_tombstone_each() -> None:
    step = ProfilesStep(Settings(prefix=""), {0: empty_partition(0)}, trends_limit=0)
    both = [_erasure(4, minute(1)), _erasure(5, minute(2))]
    changes = step.apply([((topics.ERASURES.name, 0), both)], 1).changes
    (send,) = [one for one in changes if one.topic == topics.PROFILES.name]
    assert [(one.key, one.value) for one in send.records] == [(b"ana", None)] * 2
    assert [dict(one.headers)[ERASURE_OFFSET] for one in send.records] == [b"4", b"5"]


@pytest.mark.parametrize(("next_offset", "told"), [(0, b"3"), (3, b"3"), (9, b"8")])
def test_a_marker_says_up_to_which_event_was_taken_before_it(next_offset: int, told: bytes) -> None:
    states = {0: empty_partition(0)}
    step = ProfilesStep(Settings(prefix=""), states, trends_limit=0)
    liked_video = feedback.encode(watched("ana", "cook-00", minute(1)))
    step.apply([((topics.FEEDBACK.name, 0), [_record(topics.FEEDBACK, 3, liked_video)])], 1)
    states[0] = replace(states[0], next_offset=next_offset)  # what came behind the person's own event changed nothing
    ((marker,), *_) = (
        send.records for send in step.apply([((topics.ERASURES.name, 0), [_erasure(4, minute(2))])], 1).first
    )
    assert dict(marker.headers)["freshet-applied"] == told


def test_an_erasure_is_shown_by_its_own_tombstone_and_the_null_slate_that_answers_it() -> None:
    waits = PublishedErasure(b"ana", TopicPartition("erasures.v1", 0, 7), "")

    def null(topic: topics.Topic, offset: int, header: str, value: int) -> Record:
        return Record(topic.name, 0, offset, NOON, b"ana", None, [(header, b"%d" % value)])

    assert waits.shown_by([null(topics.PROFILES, 100, ERASURE_OFFSET, 6)]) == []
    assert waits.shown_by([null(topics.RECOMMENDATIONS, 50, recommendations.SOURCE_OFFSET, 100)]) == []
    assert waits.shown_by([null(topics.PROFILES, 104, ERASURE_OFFSET, 7)]) == ["profiles.v1"]
    assert waits.shown_by([null(topics.PROFILES, 105, ERASURE_OFFSET, 8)]) == []
    assert waits.shown_by([null(topics.RECOMMENDATIONS, 51, recommendations.SOURCE_OFFSET, 104)]) == [
        "recommendations.v1"
    ]
    assert waits.waiting_for == []


def test_a_slate_between_two_erasures_is_no_breach_though_the_second_was_requested_before_its_null_slate() -> None:
    log = good_log()
    for until in (3, 6):
        put(log, topics.ERASURES, "ben", b'{"user_id":"ben","at_ms":%d}' % minute(until), minute(6))
    first = log[topics.ERASURES][-2]
    tombstone = put(log, topics.PROFILES, "ben", None, headers=[(ERASURE_OFFSET, b"%d" % first.offset)])
    source = [(recommendations.SOURCE_OFFSET, b"%d" % tombstone.offset)]
    event = put_event(log, watched("ben", "v5", minute(5), event_id="ben-5"))
    put(log, topics.RECOMMENDATIONS, "ben", None, minute(7), headers=source)
    put_slate(log, slate_for(log, "ben", 1_000_003, event, ["v1"]), minute(7) + 10)
    assert breaches(log) == []


def test_what_an_erasure_dropped_may_be_shown_again_though_its_events_are_newer_than_the_erasure() -> None:
    log = good_log()
    before = put_event(log, watched("ben", "v5", minute(5), event_id="ben-5"))  # read before the erasure is
    put(log, topics.ERASURES, "ben", b'{"user_id":"ben","at_ms":%d}' % minute(3), minute(6))
    marker = ErasureMarker(minute(3), 1_000_003)
    code = coder(Settings().erasure_key.get_secret_value())("ben")
    put(log, topics.ERASED, code, erasures.encode(marker), minute(6))
    after_it = put_event(log, watched("ben", "v2", minute(7), event_id="ben-7"))
    put_slate(log, slate_for(log, "ben", marker.version + 1, after_it, ["v5"]), minute(7) + 10)
    assert breaches(log) == []
    put_slate(log, slate_for(log, "ben", marker.version + 2, after_it, ["v5"]), minute(7) + 20)
    assert said(log) == ["v5 was seen before"]
    assert before.offset < after_it.offset


def _record(topic: topics.Topic, offset: int, value: bytes) -> Record:
    return Record(topic.name, 0, offset, minute(60), b"ana", value, [])


def _erasure(offset: int, at_ms: int) -> Record:
    return _record(topics.ERASURES, offset, feedback.encode(Erasure(user_id="ana", at_ms=at_ms)))
