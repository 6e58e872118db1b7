"""The messages: their published schemas, and old messages that must stay readable."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid5

import msgspec
import pytest
from jsonschema import Draft202012Validator

from schemas import publish, topics
from schemas.messages import feedback, videos
from schemas.messages.dead_letters import DeadLetter, Reason, letter_headers
from schemas.messages.fields import DAY_MS
from schemas.messages.recommendations import NAMESPACE, recommendation_id
from schemas.published.examples import EXAMPLES, HEADER_EXAMPLES
from schemas.published.json_schema import VALUES, members, schema_of
from schemas.topics import TOPICS, Topic
from tests.support.events import NOON
from tests.support.paths import GOLDEN

MESSAGES = sorted((GOLDEN / "messages").glob("*/*.json"))
BY_NAME = {topic.name: topic for topic in TOPICS}


def topic_of(path: Path) -> Topic:
    return BY_NAME[path.parent.name]


def schema(topic: Topic) -> Draft202012Validator:
    return Draft202012Validator(json.loads((publish.HERE / f"{topic.name}.schema.json").read_bytes()))


def parsed(path: Path) -> Any:
    return json.loads(path.read_bytes())


# --- published schemas and old messages ----------------------------------------------------------


@pytest.mark.parametrize(("path", "text"), list(publish.files()), ids=lambda value: getattr(value, "name", ""))
def test_the_published_schemas_are_those_of_the_types(path: Path, text: str) -> None:
    assert path.read_text(encoding="utf-8") == text, "run `python -m schemas.publish`"


def test_no_published_schema_is_left_over() -> None:
    assert set(publish.HERE.iterdir()) == {path for path, _ in publish.files()} - {publish.ASYNCAPI}


@pytest.mark.parametrize("topic", [*VALUES, topics.DEAD_LETTERS], ids=lambda topic: topic.name)
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


@pytest.mark.parametrize("path", [path for path in MESSAGES if topic_of(path) in VALUES], ids=lambda path: path.stem)
def test_a_message_of_today_stays_readable(path: Path) -> None:
    read = msgspec.json.decode(path.read_bytes(), type=VALUES[topic_of(path)])
    again = json.loads(msgspec.json.encode(read))
    assert held(parsed(path), again)
    assert msgspec.json.decode(msgspec.json.encode(read), type=VALUES[topic_of(path)]) == read


def test_every_kind_of_message_has_one_of_today() -> None:
    kinds = {(topic_of(path), parsed(path).get("kind")) for path in MESSAGES}
    assert {kind for topic, kind in kinds if topic is topics.FEEDBACK} == {*feedback.KIND_OF.values()}
    assert {kind for topic, kind in kinds if topic is topics.UPLOADS} == videos.KINDS
    assert {kind for topic, kind in kinds if topic is topics.FEATURES} == {"encoded", "withdrawn"}
    assert {topic for topic, _ in kinds} == {*VALUES, topics.DEAD_LETTERS}


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
        msgspec.json.decode(json.dumps(message), type=VALUES[topic])
    assert not schema(topic).is_valid(message)


TAGGED = [topic for topic in VALUES if len(members(topic)) > 1]


@pytest.mark.parametrize("topic", TAGGED, ids=lambda topic: topic.name)
def test_a_union_is_told_apart_by_constants_of_the_kind(topic: Topic) -> None:
    published = schema_of(topic)
    kinds = [published["$defs"][one["$ref"].rpartition("/")[2]]["properties"]["kind"] for one in published["oneOf"]]
    assert [kind["const"] for kind in kinds] == [one.__struct_config__.tag for one in members(topic)]
    assert published["discriminator"] == {"propertyName": "kind"}


def test_the_lists_that_clients_may_rely_on_are_closed() -> None:
    scopes = schema_of(topics.FEEDBACK)["$defs"]["Hide"]["properties"]["scope"]["anyOf"]
    assert scopes == [{"enum": ["creator", "tag", "video"]}, {"type": "null"}]
    assert schema_of(topics.DEAD_LETTERS)["properties"]["reason"]["enum"] == [reason.value for reason in Reason]


@pytest.mark.parametrize(
    ("part", "field"), [("Item", "sources"), ("Item", "p"), ("Because", "code"), ("Recommendation", "models")]
)
def test_a_list_to_which_others_add_says_that_it_is_open(part: str, field: str) -> None:
    published = schema_of(topics.RECOMMENDATIONS)["$defs"][part]["properties"][field]
    assert "an open list" in published["description"]
    assert "enum" not in json.dumps(published)


def test_every_message_has_an_example() -> None:
    assert {type(one) for one in EXAMPLES} == {one for topic in VALUES for one in members(topic)}
    assert set(HEADER_EXAMPLES) == {topics.DEAD_LETTERS, topics.RECOMMENDATIONS}


@pytest.mark.parametrize("topic", VALUES, ids=lambda topic: topic.name)
def test_the_examples_of_a_schema_fit_it_and_decode(topic: Topic) -> None:
    for one in members(topic):
        published = schema_of(topic)["$defs"][one.__name__]
        for example in published["examples"]:
            assert [error.message for error in schema(topic).iter_errors(example)] == []
            assert type(msgspec.json.decode(json.dumps(example), type=VALUES[topic])) is one


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


# --- recommendation ids --------------------------------------------------------------------------


@pytest.mark.parametrize("user_id", ["u42", "ü€動画", "x" * 256, "a:1"])
def test_a_recommendation_id_is_the_uuid5_of_person_and_version(user_id: str) -> None:
    for version in (1, 2, 1842, 2**40):
        assert recommendation_id(user_id, version) == str(uuid5(NAMESPACE, f"{user_id}:{version}"))


def test_recommendation_ids_do_not_change() -> None:
    assert (
        recommendation_id("u42", 1842)
        == parsed(GOLDEN / "messages/recommendations.v1/recommendation.json")["recommendation_id"]
    )
