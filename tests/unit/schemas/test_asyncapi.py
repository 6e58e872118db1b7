"""The AsyncAPI document: its form, its references, and examples that can be used as they are."""

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from ranker.profile.codec import unpack
from ranker.profile.event_ids import PAGE_BYTES, decode_page
from schemas.published import asyncapi
from schemas.published.json_schema import VALUES, members
from schemas.topics import TOPICS, Topic
from tests.support.paths import GOLDEN

DOCUMENT = asyncapi.asyncapi()
MESSAGES: dict[str, Any] = DOCUMENT["components"]["messages"]
NAMED = {one.__name__: topic for topic in VALUES for one in members(topic)}
FILES = [path for path in sorted((GOLDEN / "messages").glob("*/*.json")) if path.parent.name != "dead-letters.v1"]

A_TEXT = {"type": "string", "minLength": 1}
A_REFERENCE = {"type": "object", "properties": {"$ref": A_TEXT}, "required": ["$ref"], "additionalProperties": False}
A_SCHEMA = {"type": "object"}


def an_object(required: str, optional: str = "", **fields: Any) -> dict[str, Any]:
    """The form of an object of the document: what it must have, what it may have, and nothing else."""
    names = (*required.split(), *optional.split())
    return {
        "type": "object",
        "required": required.split(),
        "properties": {name: fields.get(name, {}) for name in names},
        "additionalProperties": False,
    }


def a_map(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": of, "propertyNames": {"pattern": r"^[A-Za-z0-9_.-]+$"}}


# The part of AsyncAPI 3.0.0 that the document uses, written down from the specification.
MESSAGE = an_object(
    "name summary payload examples bindings",
    "headers contentType",
    name=A_TEXT,
    summary=A_TEXT,
    contentType=A_TEXT,
    payload=A_SCHEMA,
    headers=A_SCHEMA,
    examples={"type": "array", "minItems": 1, "items": an_object("payload", "headers", headers={"type": "object"})},
    bindings=an_object("kafka", kafka=an_object("key bindingVersion", key=A_SCHEMA)),
)
TOPIC_BINDING = an_object(
    "topic partitions replicas topicConfiguration bindingVersion",
    topic=A_TEXT,
    partitions={"type": "integer", "minimum": 1},
    replicas={"type": "integer", "minimum": 1},
    topicConfiguration={"type": "object", "properties": {"cleanup.policy": {"items": {"enum": ["compact", "delete"]}}}},
    bindingVersion={"const": "0.5.0"},
)
CHANNEL = an_object(
    "address description messages bindings",
    address=A_TEXT,
    messages=a_map(A_REFERENCE),
    bindings=an_object("kafka", kafka=TOPIC_BINDING),
)
FORM = an_object(
    "asyncapi info defaultContentType servers channels operations components",
    asyncapi={"const": "3.0.0"},
    info=an_object("title version description license", license=an_object("name")),
    servers=a_map(an_object("host protocol", protocol={"const": "kafka"})),
    channels=a_map(CHANNEL),
    operations=a_map(an_object("action channel", action={"enum": ["send", "receive"]}, channel=A_REFERENCE)),
    components=an_object("messages schemas", messages=a_map(MESSAGE), schemas=a_map(A_SCHEMA)),
)


def references(part: Any) -> Iterable[str]:
    if isinstance(part, dict):
        yield from (part["$ref"] for _ in range("$ref" in part))
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            yield from references(one)


def errors(payload: Any, value: Any) -> list[str]:
    """What is wrong with a value by a payload of the document, in the dialect that AsyncAPI has."""
    whole = payload | {"components": DOCUMENT["components"]}
    return [error.message for error in Draft7Validator(whole).iter_errors(value)]


def test_the_document_has_the_form_of_asyncapi_3() -> None:
    document = json.loads(json.dumps(DOCUMENT))
    assert [f"{error.json_path}: {error.message}" for error in Draft202012Validator(FORM).iter_errors(document)] == []


@pytest.mark.parametrize("fault", ["channels.feedback.adress", "components.messages.Like.example", "operation"])
def test_a_field_that_asyncapi_does_not_have_is_found(fault: str) -> None:
    document = json.loads(json.dumps(DOCUMENT))
    *way, name = fault.split(".")
    place = document
    for step in way:
        place = place[step]
    place[name] = {}
    assert not Draft202012Validator(FORM).is_valid(document)


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_a_schema_of_the_document_is_one_of_draft_07(name: str) -> None:
    Draft7Validator.check_schema(DOCUMENT["components"]["schemas"][name])


def test_every_reference_in_the_document_leads_somewhere() -> None:
    for reference in references(DOCUMENT):
        place: Any = DOCUMENT
        for name in reference.removeprefix("#/").split("/"):
            place = place[name]


def test_every_topic_is_a_channel_with_its_kafka_binding() -> None:
    channels = DOCUMENT["channels"].values()
    assert [channel["address"] for channel in channels] == [topic.full("freshet.") for topic in TOPICS]
    for topic, channel in zip(TOPICS, channels, strict=True):
        binding = channel["bindings"]["kafka"]
        assert binding["topicConfiguration"]["cleanup.policy"] == topic.cleanup.split(",")
        assert (binding["topic"], binding["partitions"], binding["replicas"]) == (channel["address"], 4, 1)


def test_every_message_of_a_channel_is_described() -> None:
    used = {name for channel in DOCUMENT["channels"].values() for name in channel["messages"]}
    assert used == set(MESSAGES)
    assert set(NAMED) <= used


@pytest.mark.parametrize("name", MESSAGES)
def test_the_examples_of_a_message_fit_its_payload_and_its_headers(name: str) -> None:
    message = MESSAGES[name]
    for example in message["examples"]:
        assert errors(message["payload"], example["payload"]) == []
        assert ("headers" in example) == ("headers" in message)
        assert errors(message.get("headers", {}), example.get("headers")) == []


@pytest.mark.parametrize(("name", "topic"), NAMED.items(), ids=lambda value: value if isinstance(value, str) else "")
def test_the_examples_of_a_message_decode(name: str, topic: Topic) -> None:
    for example in MESSAGES[name]["examples"]:
        decoded = msgspec.json.decode(json.dumps(example["payload"]), type=VALUES[topic])
        assert type(decoded).__name__ == name


def test_the_examples_that_are_not_json_decode_too() -> None:
    packed = {name: MESSAGES[name]["examples"][0]["payload"] for name in ("Profiles", "EventIds")}
    profile = unpack(base64.b64decode(packed["Profiles"]))
    assert [watch.video_id for watch in profile.watches] == ["v7"]
    assert len(decode_page(base64.b64decode(packed["EventIds"])).ids) == PAGE_BYTES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_message_of_today_fits_its_payload_in_the_document(path: Path) -> None:
    message = json.loads(path.read_bytes())
    topic = next(topic for topic in VALUES if topic.name == path.parent.name)
    name = type(msgspec.json.decode(path.read_bytes(), type=VALUES[topic])).__name__
    assert errors(MESSAGES[name]["payload"], message) == []
