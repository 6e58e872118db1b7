"""The messages: their published schemas, old messages that must stay readable, and the rules between messages."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid5

import msgspec
import pytest
from jsonschema import Draft7Validator, Draft202012Validator
from kafka import KafkaProducer
from typer.testing import CliRunner

from ranker.profile import Profile, pack
from schemas import events, jsonschema, outputs, topics, videos
from schemas.outputs import (
    NAMESPACE,
    SLATE_LIFE_MS,
    SOURCE_OFFSET,
    DeadLetter,
    Item,
    Reason,
    Recommendation,
    Trends,
    Trigger,
    letter_headers,
    recommendation_id,
)
from schemas.settings import Settings
from schemas.topics import TOPICS, Topic
from schemas.types import DAY_MS
from streams import admin, commands_contract
from streams.contract import RULES, check
from streams.contract_facts import Breach, Facts
from streams.kafka import client_options, partition_of
from tests import stories
from tests.brokers import broker_in, settings_for
from tests.stories import NOON, minute

GOLDEN = Path(__file__).parent / "golden/messages"
MESSAGES = sorted(GOLDEN.glob("*/*.json"))
BY_NAME = {topic.name: topic for topic in TOPICS}


def topic_of(path: Path) -> Topic:
    return BY_NAME[path.parent.name]


def schema(topic: Topic) -> Draft202012Validator:
    return Draft202012Validator(json.loads((jsonschema.HERE / f"{topic.name}.schema.json").read_bytes()))


def parsed(path: Path) -> Any:
    return json.loads(path.read_bytes())


# --- published schemas and old messages ----------------------------------------------------------


@pytest.mark.parametrize(("path", "text"), list(jsonschema.files()), ids=lambda value: getattr(value, "name", ""))
def test_the_published_schemas_are_those_of_the_types(path: Path, text: str) -> None:
    assert path.read_text(encoding="utf-8") == text, "run `python -m schemas.jsonschema`"


def test_no_published_schema_is_left_over() -> None:
    assert set(jsonschema.HERE.iterdir()) == {path for path, _ in jsonschema.files()} - {jsonschema.ASYNCAPI}


@pytest.mark.parametrize("topic", [*jsonschema.VALUES, topics.DEAD_LETTERS], ids=lambda topic: topic.name)
def test_a_published_schema_is_one(topic: Topic) -> None:
    Draft202012Validator.check_schema(schema(topic).schema)


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_message_of_today_fits_its_published_schema(path: Path) -> None:
    assert [error.message for error in schema(topic_of(path)).iter_errors(parsed(path))] == []


def held(smaller: Any, larger: Any) -> bool:
    """Whether everything of the one is in the other; lists are compared place by place."""
    if isinstance(smaller, dict):
        return all(name == "extra" or held(value, larger.get(name)) for name, value in smaller.items())
    if isinstance(smaller, list):
        return len(smaller) == len(larger) and all(map(held, smaller, larger))
    return bool(smaller == larger)


@pytest.mark.parametrize(
    "path", [path for path in MESSAGES if topic_of(path) in jsonschema.VALUES], ids=lambda path: path.stem
)
def test_a_message_of_today_stays_readable(path: Path) -> None:
    read = msgspec.json.decode(path.read_bytes(), type=jsonschema.VALUES[topic_of(path)])
    again = json.loads(msgspec.json.encode(read))
    assert held(parsed(path), again)
    assert msgspec.json.decode(msgspec.json.encode(read), type=jsonschema.VALUES[topic_of(path)]) == read


def test_every_kind_of_message_has_one_of_today() -> None:
    kinds = {(topic_of(path), parsed(path).get("kind")) for path in MESSAGES}
    assert {kind for topic, kind in kinds if topic is topics.FEEDBACK} == events.KINDS
    assert {kind for topic, kind in kinds if topic is topics.UPLOADS} == videos.KINDS
    assert {kind for topic, kind in kinds if topic is topics.FEATURES} == {"encoded", "withdrawn"}
    assert {topic for topic, _ in kinds} == {*jsonschema.VALUES, topics.DEAD_LETTERS}


WATCH: dict[str, Any] = {"kind": "watch", "user_id": "u", "video_id": "v", "at_ms": NOON, "watched_ms": 1}
UPLOAD: dict[str, Any] = {"kind": "upload", "video_id": "v", "at_ms": NOON, "title": "a"}


@pytest.mark.parametrize(
    ("topic", "message"),
    [
        (topics.FEEDBACK, WATCH | {"kind": "stare"}),
        (topics.FEEDBACK, WATCH | {"user_id": ""}),
        (topics.FEEDBACK, WATCH | {"user_id": "x" * 257}),
        (topics.FEEDBACK, WATCH | {"at_ms": NOON // 1000}),
        (topics.FEEDBACK, WATCH | {"at_ms": str(NOON)}),
        (topics.FEEDBACK, WATCH | {"watched_ms": -1}),
        (topics.FEEDBACK, WATCH | {"watched_ms": DAY_MS + 1}),
        (topics.FEEDBACK, {name: value for name, value in WATCH.items() if name != "watched_ms"}),
        (topics.FEEDBACK, {name: value for name, value in WATCH.items() if name != "kind"}),
        (topics.FEEDBACK, WATCH | {"kind": "rate", "value": 1.5}),
        (topics.FEEDBACK, WATCH | {"kind": "hide", "scope": "everything"}),
        (topics.FEEDBACK, WATCH | {"kind": "impression"}),
        (topics.UPLOADS, {"kind": "withdraw", "video_id": "v"}),
        (topics.UPLOADS, UPLOAD | {"tags": "food"}),
        (topics.ERASURES, {"user_id": "u"}),
        (topics.TRENDS, {"partition": 0, "tick": 1, "period": 1, "counts": {"v": [1, 2]}}),
    ],
    ids=lambda value: json.dumps(value)[-40:] if isinstance(value, dict) else value.name,
)
def test_types_and_published_schemas_refuse_alike(topic: Topic, message: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps(message), type=jsonschema.VALUES[topic])
    assert not schema(topic).is_valid(message)


@pytest.mark.parametrize("lacks", [{}, {"title": None}, {"title": ""}, {"tags": []}])
def test_the_schema_knows_that_an_upload_needs_something_to_go_by(lacks: dict[str, Any]) -> None:
    bare = {"kind": "upload", "video_id": "v", "at_ms": NOON}
    assert not schema(topics.UPLOADS).is_valid(bare | lacks)
    assert videos.why_not_an_upload(videos.decode(json.dumps(bare | lacks).encode()))  # type: ignore[arg-type]
    assert schema(topics.UPLOADS).is_valid(bare | {"thumbnail_uri": "https://media.example/v.jpg"})


def test_dead_letter_headers_fit_their_schema() -> None:
    letter = DeadLetter(
        reason=Reason.RANGE, detail="x" * 2000, topic="t", partition=0, offset=1, at_ms=NOON, key=None, value=b""
    )
    headers = {name: value.decode() for name, value in letter_headers(letter, "0.1.0")}
    assert [error.message for error in schema(topics.DEAD_LETTERS).iter_errors(headers)] == []
    assert not schema(topics.DEAD_LETTERS).is_valid(headers | {"reason": "mood"})


# --- AsyncAPI ------------------------------------------------------------------------------------


def test_every_topic_is_a_channel_with_its_kafka_binding() -> None:
    channels = jsonschema.asyncapi()["channels"].values()
    assert [channel["address"] for channel in channels] == [topic.full("freshet.") for topic in TOPICS]
    for topic, channel in zip(TOPICS, channels, strict=True):
        binding = channel["bindings"]["kafka"]
        assert binding["bindingVersion"] == "0.5.0"
        assert binding["topicConfiguration"]["cleanup.policy"] == topic.cleanup.split(",")
        assert (binding["topic"], binding["partitions"], binding["replicas"]) == (channel["address"], 4, 1)


def test_every_reference_in_the_document_leads_somewhere() -> None:
    document = jsonschema.asyncapi()

    def references(part: Any) -> Iterable[str]:
        if isinstance(part, dict):
            yield from (part["$ref"] for _ in range("$ref" in part))
            part = list(part.values())
        if isinstance(part, list):
            for one in part:
                yield from references(one)

    for reference in references(document):
        place: Any = document
        for name in reference.removeprefix("#/").split("/"):
            place = place[name]


@pytest.mark.parametrize(
    "path", [path for path in MESSAGES if topic_of(path) in jsonschema.VALUES], ids=lambda path: path.stem
)
def test_a_message_of_today_fits_its_payload_in_the_document(path: Path) -> None:
    components = jsonschema.asyncapi()["components"]
    message = parsed(path)
    by_kind = {
        part["properties"]["kind"]["enum"][0]: name
        for name, part in components["schemas"].items()
        if "kind" in part["properties"]
    }
    named = {"trends": "Trends", "erasure": "Erasure", "recommendation": "Recommendation"}
    name = by_kind[message["kind"]] if "kind" in message else named[path.stem]
    whole = components["messages"][name]["payload"] | {"components": components}
    assert [error.message for error in Draft7Validator(whole).iter_errors(message)] == []


# --- recommendation ids --------------------------------------------------------------------------


@pytest.mark.parametrize("user_id", ["u42", "ü€動画", "x" * 256, "a:1"])
def test_a_recommendation_id_is_the_uuid5_of_person_and_version(user_id: str) -> None:
    for version in (1, 2, 1842, 2**40):
        assert recommendation_id(user_id, version) == str(uuid5(NAMESPACE, f"{user_id}:{version}"))


def test_recommendation_ids_do_not_change() -> None:
    assert (
        recommendation_id("u42", 1842) == parsed(GOLDEN / "recommendations.v1/recommendation.json")["recommendation_id"]
    )


# --- the rules between messages ------------------------------------------------------------------


class Rec(NamedTuple):
    """A record as a consumer hands it out."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


Log = dict[Topic, list[Rec]]
PARTITIONS = 4
SEVERAL = dict.fromkeys(RULES, PARTITIONS)


def home(key: str) -> int:
    return partition_of(key.encode(), PARTITIONS)


def put(log: Log, topic: Topic, key: str, value: bytes | None, at_ms: int = NOON, **changed: Any) -> Rec:
    """Append a record to a log where it belongs, unless said otherwise."""
    partition = changed.pop("partition", home(key))
    records = log.setdefault(topic, [])
    offset = sum(record.partition == partition for record in records)
    records.append(Rec(topic.full("freshet."), partition, offset, at_ms, key.encode(), value)._replace(**changed))
    return records[-1]


def slate_for(log: Log, user_id: str, version: int, trigger: Rec, video_ids: Iterable[str]) -> Recommendation:
    event = events.decode(trigger.value or b"")
    items = [
        Item(rank, video_id, 1 / rank, {"finish": 0.5, "like": 0.1, "skip": 0.2}, 1.0, ["fresh"], [])
        for rank, video_id in enumerate(video_ids, 1)
    ]
    return Recommendation(
        schema_version="1.0",
        recommendation_id=recommendation_id(user_id, version),
        user_id=user_id,
        version=version,
        generated_at_ms=trigger.timestamp + 9,
        expires_at_ms=event.at_ms + SLATE_LIFE_MS,
        trigger=Trigger(event.event_id, trigger.topic, trigger.partition, trigger.offset, event.at_ms),
        models={},
        timings_ms={"total": 9.0},
        degraded=[],
        items=items,
        exhausted=False,
    )


def put_slate(log: Log, slate: Recommendation, at_ms: int = NOON + 10, **changed: Any) -> Rec:
    changed = {"headers": [(SOURCE_OFFSET, b"0")]} | changed
    return put(log, topics.RECOMMENDATIONS, slate.user_id, outputs.encode(slate), at_ms, **changed)


def put_event(log: Log, event: events.Feedback, **changed: Any) -> Rec:
    return put(log, topics.FEEDBACK, event.user_id, events.encode(event), event.at_ms, **changed)


def put_letter(log: Log, record: Rec, **changed: Any) -> Rec:
    letter = DeadLetter(
        reason=Reason.SCHEMA,
        detail="because",
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        at_ms=record.timestamp,
        key=record.key,
        value=record.value or b"",
    )
    changed = {"headers": letter_headers(letter, "0.1.0")} | changed
    return put(log, topics.DEAD_LETTERS, "any", letter.value, **changed)


def good_log() -> Log:
    """Ana and Ben watch, six videos are there, each event has its slate."""
    log: Log = {}
    for number in range(6):
        upload = stories.uploaded(f"v{number}")
        put(log, topics.UPLOADS, upload.video_id, videos.encode(upload))
        put(log, topics.FEATURES, upload.video_id, videos.encode(stories.encoded(upload.video_id)))
    people: dict[str, Profile] = {}
    for user_id in ("ana", "ben"):
        first = put_event(log, stories.watched(user_id, "v0", minute(1), event_id=f"{user_id}-1"))
        put_slate(log, slate_for(log, user_id, 1, first, ["v1", "v2", "v3"]), minute(1) + 10)
        second = put_event(log, stories.skipped(user_id, "v1", minute(2)))
        put_slate(log, slate_for(log, user_id, 2, second, ["v4", "v3"]), minute(2) + 10)
        people[user_id] = stories.after(stories.watched(user_id, "v0"), stories.skipped(user_id, "v1"))
    for user_id, profile in people.items():
        put(log, topics.PROFILES, user_id, pack(profile))
    counts = Trends(partition=home("ana"), tick=1, period=1, counts={"v0": (256, 0, 1)})
    put(log, topics.TRENDS, str(counts.partition), outputs.encode(counts))
    put(log, topics.ERASURES, "eve", b'{"user_id":"eve","at_ms":%d}' % NOON)
    return log


def breaches(log: Log, **changed: Any) -> list[Breach]:
    facts = Facts(**{"prefix": "freshet.", "late_ms": DAY_MS, "size": 20, "partitions": SEVERAL} | changed)
    return [one for topic in RULES for one in check(topic, log.get(topic, []), facts)]


def said(log: Log, **changed: Any) -> list[str]:
    return [one.what for one in breaches(log, **changed)]


def last_slate(log: Log) -> tuple[Rec, Recommendation]:
    record = log[topics.RECOMMENDATIONS][-1]
    return record, outputs.decode_recommendation(record.value or b"")


def with_last_slate(change: Callable[[Recommendation], Recommendation], **fields: Any) -> Log:
    log = good_log()
    record, slate = last_slate(log)
    log[topics.RECOMMENDATIONS][-1] = record._replace(**{"value": outputs.encode(change(slate))} | fields)
    return log


def test_a_good_log_keeps_the_contract() -> None:
    assert breaches(good_log()) == []


def test_a_breach_says_where_it_is() -> None:
    log = with_last_slate(lambda slate: msgspec.structs.replace(slate, expires_at_ms=0))
    record, _ = last_slate(log)
    (one,) = breaches(log)
    where = f"freshet.recommendations.v1[{record.partition}]@{record.offset}"
    assert str(one) == f"{where}: expires_at_ms is 0, not 30 minutes after the trigger"


def replaced(**fields: Any) -> Callable[[Recommendation], Recommendation]:
    return lambda slate: msgspec.structs.replace(slate, **fields)


def first_item(**fields: Any) -> Callable[[Recommendation], Recommendation]:
    return lambda slate: msgspec.structs.replace(
        slate, items=[msgspec.structs.replace(slate.items[0], **fields), *slate.items[1:]]
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (replaced(schema_version="2.0"), "schema_version is '2.0'"),
        (replaced(recommendation_id="r1"), "recommendation_id r1 is not the UUIDv5"),
        (replaced(user_id="eve"), "its key is not eve"),
        (replaced(items=[]), "does not decode"),
        (replaced(version=1, recommendation_id=recommendation_id("ben", 1)), "comes again with another trigger"),
        (first_item(rank=2), "the ranks are not 1, 2, 3"),
        (first_item(video_id="v3"), "a video stands there twice"),
        (first_item(video_id="v1"), "v1 was seen before"),
        (first_item(video_id="v0"), "v0 was seen before"),
        (first_item(video_id="v99"), "v99 is not in features.v1"),
        (first_item(p={"finish": 1.2}), "does not decode"),
        (first_item(propensity=0.0), "does not decode"),
    ],
)
def test_a_slate_that_breaks_a_rule_is_found(change: Callable[[Recommendation], Recommendation], sentence: str) -> None:
    assert any(sentence in what for what in said(with_last_slate(change)))


@pytest.mark.parametrize(
    ("trigger", "sentence"),
    [({"offset": 7}, "is no event of ben"), ({"partition": 9}, "is no event of ben"), ({"topic": "x"}, "is on x")],
)
def test_a_trigger_that_is_none_is_found(trigger: dict[str, Any], sentence: str) -> None:
    log = with_last_slate(
        lambda slate: msgspec.structs.replace(slate, trigger=msgspec.structs.replace(slate.trigger, **trigger))
    )
    assert [sentence in what for what in said(log)] == [True]


@pytest.mark.parametrize("number", [b"NaN", b"1e999", b"-Infinity", b"null"])
def test_a_number_that_is_not_finite_is_found(number: bytes) -> None:
    log = good_log()
    record, _ = last_slate(log)
    log[topics.RECOMMENDATIONS][-1] = record._replace(
        value=(record.value or b"").replace(b'"total":9.0', b'"total":' + number)
    )
    assert ["does not decode" in what for what in said(log)] == [True]


def test_somebody_elses_event_is_no_trigger() -> None:
    log = good_log()
    other = next(f"p{n}" for n in range(99) if home(f"p{n}") == home("ben"))
    put_event(log, stories.watched(other, "v0", minute(9)))
    record, slate = last_slate(log)
    trigger = msgspec.structs.replace(slate.trigger, offset=log[topics.FEEDBACK][-1].offset)
    wrong = msgspec.structs.replace(slate, trigger=trigger)
    log[topics.RECOMMENDATIONS][-1] = record._replace(value=outputs.encode(wrong))
    assert any("is no event of ben" in what for what in said(log))


def test_more_items_than_a_slate_has_are_found() -> None:
    assert said(good_log(), size=2) == ["3 items, 2 are allowed"] * 2


def test_a_slate_on_the_wrong_partition_or_without_its_header_is_found() -> None:
    elsewhere = (home("ben") + 1) % PARTITIONS
    assert said(with_last_slate(replaced(), partition=elsewhere)) == [f"its key belongs on partition {home('ben')}"]
    assert said(with_last_slate(replaced(), headers=[])) == [f"header {SOURCE_OFFSET} is b'', not an offset"]
    assert said(with_last_slate(replaced(), key=None)) == ["has no key"]


def test_versions_may_repeat_but_not_go_back() -> None:
    log = good_log()
    record, _ = last_slate(log)
    log[topics.RECOMMENDATIONS].append(record._replace(offset=record.offset + 1))
    assert breaches(log) == []
    first = next(r for r in log[topics.RECOMMENDATIONS] if r.key == b"ben")
    log[topics.RECOMMENDATIONS].append(first._replace(offset=record.offset + 2))
    assert said(log) == ["version 1 comes after version 2"]


def test_an_erased_person_has_a_null_slate_and_starts_anew() -> None:
    log = good_log()
    put(log, topics.RECOMMENDATIONS, "ben", None, minute(3))
    put(log, topics.ERASURES, "ben", b'{"user_id":"ben","at_ms":%d}' % minute(3))
    again = put_event(log, stories.watched("ben", "v5", minute(4)))
    put_slate(log, slate_for(log, "ben", 3, again, ["v0", "v1"]), minute(4) + 10)  # seen before, but forgotten
    assert breaches(log) == []
    put(log, topics.RECOMMENDATIONS, "ben", None, minute(3), partition=(home("ben") + 1) % PARTITIONS)
    assert said(log) == [f"its key belongs on partition {home('ben')}"]


def test_with_everything_seen_the_seen_may_come_back() -> None:
    seen = with_last_slate(first_item(video_id="v0"))
    record, slate = last_slate(seen)
    seen[topics.RECOMMENDATIONS][-1] = record._replace(value=outputs.encode(replaced(exhausted=True)(slate)))
    assert breaches(seen) == []


def test_what_was_seen_512_videos_ago_may_come_back() -> None:
    log = good_log()
    for number in range(512):
        trigger = put_event(log, stories.watched("ben", f"w{number}", minute(3 + number)))
    put_slate(log, slate_for(log, "ben", 514, trigger, ["v0", "v1"]), trigger.timestamp + 10)
    assert breaches(log) == []
    put_slate(log, slate_for(log, "ben", 515, trigger, ["w0"]), trigger.timestamp + 10)
    assert said(log) == ["w0 is not in features.v1", "w0 was seen before"]


@pytest.mark.parametrize(
    ("withdrawn_at", "again_at", "found"),
    [
        (minute(1), None, True),
        (minute(1.99), None, False),
        (minute(3), None, False),
        (minute(1), minute(2) + 5, False),
        (minute(1), minute(1.5), False),
    ],
)
def test_a_video_withdrawn_before_the_trigger_is_found(withdrawn_at: int, again_at: int | None, found: bool) -> None:
    log = good_log()
    put(log, topics.FEATURES, "v4", videos.encode(stories.withdrawn("v4", withdrawn_at)), withdrawn_at)
    if again_at:
        put(log, topics.FEATURES, "v4", videos.encode(stories.encoded("v4", again_at)), again_at)
    assert said(log) == (["v4 had been withdrawn"] * 2 if found else [])


def test_what_retention_took_is_not_held_against_a_slate() -> None:
    log = good_log()
    log[topics.FEEDBACK] = [record._replace(offset=record.offset + 4) for record in log[topics.FEEDBACK]]
    assert breaches(log) == []


@pytest.mark.parametrize("value", [b"{", b"", None, b'{"kind":"stare"}', b"\xff", b"[" * 5000])
@pytest.mark.parametrize("topic", [topics.FEEDBACK, topics.UPLOADS, topics.ERASURES], ids=lambda topic: topic.name)
def test_what_cannot_be_used_needs_a_dead_letter(topic: Topic, value: bytes | None) -> None:
    log = good_log()
    record = put(log, topic, "ana", value)
    (one,) = breaches(log)
    assert (one.partition, one.offset) == (record.partition, record.offset)
    assert "no dead letter says so" in one.what
    put_letter(log, record)
    assert breaches(log) == []


def test_an_event_that_came_too_late_needs_a_dead_letter() -> None:
    log = good_log()
    record = put_event(log, stories.watched("ana", "v5", NOON - 2 * DAY_MS), timestamp=minute(3))
    assert said(log) == ["cannot be used and no dead letter says so: it came too late"]
    put_letter(log, record)
    assert breaches(log) == []


def test_an_event_on_the_wrong_partition_is_sent_on() -> None:
    log = good_log()
    event = stories.watched("ana", "v5", minute(3))
    wrong = put_event(log, event, partition=(home("ana") + 1) % PARTITIONS)
    assert said(log) == ["is on the wrong partition and was not sent on"]
    origin = f"{wrong.topic}/{wrong.partition}/{wrong.offset}".encode()
    put_event(log, event, headers=[("freshet-origin", origin)])
    assert breaches(log) == []


def broken_vector(**fields: Any) -> bytes:
    video = stories.encoded("v9")
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
        (topics.PROFILES, "ana", pack(stories.EMPTY), "has taken in no event"),
        (topics.TRENDS, "0", b"{}", "does not decode"),
        (topics.TRENDS, "0", b'{"partition":1,"tick":1,"period":1,"counts":{}}', "its key is not 1"),
        (topics.TRENDS, "0", b'{"partition":0,"tick":1,"period":1,"counts":{"v":[-1,0,0]}}', "less than nothing"),
        (topics.ERASURES, "eve", b'{"user_id":"ana","at_ms":1650000000000}', "its key is not ana"),
        (topics.RECOMMENDATIONS, "ana", b"{}", "does not decode"),
    ],
)
def test_a_record_that_breaks_its_topics_rule_is_found(topic: Topic, key: str, value: bytes, sentence: str) -> None:
    log = good_log()
    put(log, topic, key, value)
    assert [sentence in what for what in said(log)] == [True]


@pytest.mark.parametrize("topic", [topics.UPLOADS, topics.FEATURES, topics.PROFILES], ids=lambda topic: topic.name)
def test_a_record_on_another_partition_than_its_keys_is_found(topic: Topic) -> None:
    log = good_log()
    record = log[topic][0]
    log[topic].append(record._replace(partition=(record.partition + 1) % PARTITIONS))
    assert said(log) == [f"its key belongs on partition {record.partition}"]


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


# --- from a broker -------------------------------------------------------------------------------


@pytest.mark.connected
def test_verify_reads_a_broker_from_the_start(tmp_path: Path) -> None:
    with broker_in(tmp_path) as broker:
        settings = settings_for(broker)
        admin.apply(settings, lambda _: None)
        log = good_log()
        send(settings, log)
        told = list(commands_contract.run(settings))
        assert {topic["topic"]: topic["records"] for topic in told} == {
            topic.full(settings.prefix): len(log.get(topic, [])) for topic in RULES
        }
        assert [topic["first"] for topic in told] == [[]] * len(RULES)
        wanted = ["--from-start", "--bootstrap", broker.bootstrap]
        good = CliRunner().invoke(commands_contract.app, ["verify", *wanted])
        assert (good.exit_code, good.stdout.splitlines()[-1].split()) == (
            0,
            ["freshet.recommendations.v1", "4", "0"],
        )
        send(settings, {topics.PROFILES: [Rec("freshet.profiles.v1", home("ana"), 0, NOON, b"ana", b"\0")]})
        bad = CliRunner().invoke(commands_contract.app, ["verify", *wanted])
        assert bad.exit_code == 1
        assert "profile of 1 bytes" in bad.stdout.splitlines()[-1]
        as_json = CliRunner().invoke(commands_contract.app, ["verify", "--json", *wanted])
        assert json.loads(as_json.stdout)["breaches"] == 1


def send(settings: Settings, log: Log) -> None:
    """Put a log's records on a broker as they stand."""
    producer = KafkaProducer(**client_options(settings))
    for topic, records in log.items():
        for one in records:
            producer.send(
                topic.full(settings.prefix),
                one.value,
                one.key,
                headers=list(one.headers),
                partition=one.partition,
                timestamp_ms=one.timestamp,
            )
    producer.flush()
    producer.close()
