"""The rules between messages: each breach is found, and nothing that is allowed is called one."""

from typing import Any

import msgspec
import pytest

from ranker.profile.codec import pack
from ranker.profile.counters import NOTHING
from ranker.profile.event_ids import PAGE_BYTES, Page, encode_page, page_key
from ranker.profile.example import Example, Examples, encode_examples
from schemas import topics
from schemas.messages import videos
from schemas.messages.fields import DAY_MS
from schemas.topics import Topic
from streams.dead_letters.validation import read_uploads
from streams.operations.contract.rules import RULES
from tests.support import events
from tests.support.events import NOON, minute
from tests.support.kafka_logs import PARTITIONS, breaches, facts_of, good_log, home, put, put_event, put_letter, said

PAGE = encode_page(Page(64, NOON, bytes(PAGE_BYTES)))
EXAMPLE = Example(7, "v9", NOON, 1, True, "feed", NOTHING)


def test_every_topic_has_a_rule() -> None:
    assert set(RULES) == set(topics.TOPICS)


def test_a_page_of_event_ids_is_on_its_persons_partition() -> None:
    log = good_log()
    put(log, topics.EVENT_IDS, page_key("ana", 64), PAGE, partition=home("ana"))
    assert breaches(log) == []
    put(log, topics.EVENT_IDS, page_key("ana", 64), None, partition=(home("ana") + 1) % PARTITIONS)
    assert said(log) == [f"its key belongs on partition {home('ana')}"]


def test_a_good_log_keeps_the_contract() -> None:
    assert breaches(good_log()) == []


@pytest.mark.parametrize("value", [b"{", b"", None, b'{"kind":"stare"}', b"\xff", b"[" * 5000])
@pytest.mark.parametrize("topic", [topics.FEEDBACK, topics.UPLOADS, topics.ERASURES], ids=lambda topic: topic.name)
def test_what_cannot_be_used_needs_a_dead_letter(topic: Topic, value: bytes | None) -> None:
    log = good_log()
    record = put(log, topic, "ana", value)
    (one,) = breaches(log)
    assert (one.partition, one.offset) == (record.partition, record.offset)
    assert "there is no dead letter for it" in one.what
    put_letter(log, record)
    assert breaches(log) == []


def test_an_event_that_came_too_late_needs_a_dead_letter() -> None:
    log = good_log()
    record = put_event(log, events.watched("ana", "v5", NOON - 2 * DAY_MS), timestamp=minute(3))
    assert said(log) == ["cannot be used, and there is no dead letter for it: it came too late"]
    put_letter(log, record)
    assert breaches(log) == []


def test_an_event_on_the_wrong_partition_is_rerouted() -> None:
    log = good_log()
    event = events.watched("ana", "v5", minute(3))
    wrong = put_event(log, event, partition=(home("ana") + 1) % PARTITIONS)
    assert said(log) == ["is on the wrong partition and was not rerouted"]
    origin = f"{wrong.topic}/{wrong.partition}/{wrong.offset}".encode()
    put_event(log, event, headers=[("freshet-origin", origin)])
    assert breaches(log) == []


def test_a_dead_letter_that_was_deleted_may_have_been_there() -> None:
    log, facts = good_log(), facts_of()
    put(log, topics.UPLOADS, "v7", b"{", minute(3))
    put_letter(log, put(log, topics.UPLOADS, "v8", b"{", minute(4)), offset=1, timestamp=minute(4))
    assert breaches(log, facts) == [] and facts.not_judged == 1
    put(log, topics.UPLOADS, "v9", b"{", minute(5))
    assert ["there is no dead letter" in what for what in said(log)] == [True]


def test_an_event_that_was_rerouted_to_where_records_were_deleted_may_have_been_there() -> None:
    log, facts = good_log(), facts_of()
    wrong, empty = (p for p in range(PARTITIONS) if p not in (home("ana"), home("ben")))
    other = next(f"p{n}" for n in range(99) if home(f"p{n}") == empty)
    put_event(log, events.watched(other, "v5", minute(3)), partition=wrong)
    assert said(log) == ["is on the wrong partition and was not rerouted"]
    put_event(log, events.watched(other, "v4", minute(4)), offset=9)
    assert breaches(log, facts) == [] and facts.not_judged == 1


def broken_vector(**fields: Any) -> bytes:
    video = events.encoded("v9")
    vector = msgspec.structs.replace(video.vectors["retrieval"], **fields)
    return videos.encode(msgspec.structs.replace(video, vectors={"retrieval": vector}))


@pytest.mark.parametrize(
    ("topic", "key", "value", "sentence"),
    [
        (topics.FEATURES, "v9", b"{}", "does not decode"),
        (topics.FEATURES, "v8", broken_vector(), "its key is not v9"),
        (topics.FEATURES, "v9", broken_vector(dim=3), "claims 3 dimensions and has 1024 bytes"),
        (topics.FEATURES, "v9", broken_vector(dim=1, data=b"\0\0\x80\x3f"), "has 1 dimensions"),
        (topics.FEATURES, "v9", broken_vector(data=b"\0\0\x80\x3f" * 256), "is not of length 1"),
        (topics.FEATURES, "v9", broken_vector(data=b"\0\0\xc0\x7f" * 256), "holds a number that is not finite"),
        (topics.PROFILES, "ana", b"\x00", "profile of 1 bytes"),
        (topics.PROFILES, "ana", pack(events.EMPTY), "no event was applied to version"),
        (topics.EVENT_IDS, "ana", PAGE, "its key does not end in version 64"),
        (topics.EVENT_IDS, "ana\x0064", b"{}", "page of 2 bytes"),
        (topics.TRENDS, "0", b"{}", "does not decode"),
        (topics.TRENDS, "0", b'{"partition":1,"tick":1,"period":1,"counts":{}}', "its key is not 1"),
        (topics.TRENDS, "0", b'{"partition":0,"tick":1,"period":1,"counts":{"v":[-1,0,0]}}', "does not decode"),
        (topics.EXAMPLES, "0", b"{}", "does not decode"),
        (topics.EXAMPLES, "1", encode_examples(Examples(0, [])), "its key is not 0"),
        (topics.EXAMPLES, "0", encode_examples(Examples(0, [EXAMPLE, EXAMPLE])), "do not lie in order"),
        (topics.WEIGHTS, "manifest", b"{}", "a manifest is damaged"),
        (topics.WEIGHTS, "ana", b"{}", "neither the manifest nor a block"),
        (topics.ERASURES, "eve", b'{"user_id":"ana","at_ms":1650000000000}', "the record's key is not its $.user_id"),
        (topics.ERASED, "ana", b'{"at_ms":1650000000000,"version":7}', "its key is not 32 hexadecimal digits"),
        (topics.ERASED, "0" * 32, b'{"at_ms":1650000000000,"version":0}', "does not decode"),
        (topics.RECOMMENDATIONS, "ana", b"{}", "does not decode"),
    ],
)
def test_a_record_that_breaks_its_topics_rule_is_found(topic: Topic, key: str, value: bytes, sentence: str) -> None:
    log = good_log()
    put(log, topic, key, value, partition=home(key.partition("\0")[0]))
    assert [sentence in what for what in said(log)] == [True]


@pytest.mark.parametrize("topic", [topics.FEATURES, topics.PROFILES], ids=lambda topic: topic.name)
def test_a_record_on_another_partition_than_its_keys_is_found(topic: Topic) -> None:
    log = good_log()
    record = log[topic][0]
    log[topic].append(record._replace(partition=(record.partition + 1) % PARTITIONS))
    assert said(log) == [f"its key belongs on partition {record.partition}"]


def test_an_upload_on_another_partition_than_its_videos_has_to_be_rerouted() -> None:
    log = good_log()
    astray = log[topics.UPLOADS][0]._replace(partition=(log[topics.UPLOADS][0].partition + 1) % PARTITIONS, offset=900)
    log[topics.UPLOADS].append(astray)
    assert said(log) == ["is on the wrong partition and was not rerouted"]
    (sent_on,) = read_uploads([astray], PARTITIONS).misrouted
    log[topics.UPLOADS].append(log[topics.UPLOADS][0]._replace(offset=901, headers=sent_on.headers))
    assert said(log) == []


def test_tombstones_are_no_breach() -> None:
    log = good_log()
    for topic, key in ((topics.FEATURES, "v0"), (topics.PROFILES, "ana"), (topics.TRENDS, "1")):
        put(log, topic, key, None)
    assert breaches(log) == []


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("reason", b"mood", "reason 'mood' is not in the closed list"),
        ("reason", b"", "header reason is missing or empty"),
        ("offset", b"x", "header offset is 'x', not a whole number"),
        ("freshet_version", b"", "header freshet_version is missing or empty"),
    ],
)
def test_a_dead_letter_with_a_bad_header_is_found(name: str, value: bytes, sentence: str) -> None:
    log = good_log()
    record = put_letter(log, log[topics.FEEDBACK][0])
    headers = [(other, value if other == name else kept) for other, kept in record.headers]
    log[topics.DEAD_LETTERS] = [record._replace(headers=headers)]
    assert said(log) == [sentence]


def test_a_dead_letter_without_a_header_or_with_too_much_is_found() -> None:
    log = good_log()
    record = put_letter(log, log[topics.FEEDBACK][0])
    for gone in dict(record.headers):
        log[topics.DEAD_LETTERS] = [record._replace(headers=[h for h in record.headers if h[0] != gone])]
        assert [gone in what for what in said(log)] == [True]
    log[topics.DEAD_LETTERS] = [record._replace(value=b"x" * 65_537)]
    assert said(log) == ["the value is 65537 bytes, not up to 65536 bytes"]
