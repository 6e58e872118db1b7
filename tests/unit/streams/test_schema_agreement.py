"""The published schemas and the decoder agree: what the one takes, the other takes too.

One direction generates messages from the schema and decodes them; the other damages messages and asks both.
"""

import json
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy
from jsonschema import Draft202012Validator

from schemas import publish, topics
from schemas.messages.dead_letters import DeadLetter, Reason
from schemas.messages.fields import ID_BYTES, YEAR_2100_MS
from schemas.messages.lenient import OPTIONAL_IDS, SURROGATE
from schemas.topics import Topic
from streams.dead_letters.validation import read_feedback, read_upload
from streams.kafka.records import Record
from streams.profiles.erasure import read_erasures
from tests.support.mutations import mutated
from tests.support.paths import GOLDEN

READ = (topics.FEEDBACK, topics.UPLOADS, topics.ERASURES)
SCHEMAS = {topic: publish.schema_of(topic) for topic in READ}
VALIDATORS = {topic: Draft202012Validator(schema) for topic, schema in SCHEMAS.items()}
IDS = ("user_id", "video_id", "event_id")
DAMAGES = 800  # of each topic


def refusal(topic: Topic, value: bytes) -> DeadLetter | None:
    """The dead letter of a message, or None where it is taken in."""
    record = Record(topic.full("f."), 0, 7, YEAR_2100_MS, None, value)
    if topic is topics.UPLOADS:
        return found if isinstance(found := read_upload(record), DeadLetter) else None
    letters = (read_feedback if topic is topics.FEEDBACK else read_erasures)([record], 1).dead_letters
    return letters[0] if letters else None


def is_inexpressible(message: Any) -> bool:
    """Whether a rule forbids it that JSON Schema has no word for: an id's length in bytes."""
    ids = [message.get(name) for name in IDS] if isinstance(message, dict) else []
    return any(len(one.encode("utf-8", "surrogatepass")) > ID_BYTES for one in ids if isinstance(one, str))


def from_schema(schema: Mapping[str, Any], parts: Mapping[str, Any]) -> SearchStrategy[Any]:
    """Messages that a schema allows, by the words that the published ones use."""
    if "$ref" in schema:
        return from_schema(parts[schema["$ref"].rpartition("/")[2]], parts)
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    if "properties" in schema:
        return objects(schema, parts)
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return st.one_of([from_schema(one, parts) for one in choices])
    return plain(schema, parts)


def objects(schema: Mapping[str, Any], parts: Mapping[str, Any]) -> SearchStrategy[dict[str, Any]]:
    fields = {name: from_schema(of, parts) for name, of in schema["properties"].items()}
    required = {name: fields.pop(name) for name in schema["required"]}
    return st.fixed_dictionaries(required, optional=fields | {"unknown": st.none() | st.floats(0, 1)})


def plain(schema: Mapping[str, Any], parts: Mapping[str, Any]) -> SearchStrategy[Any]:
    low, high = schema.get("minimum"), schema.get("maximum")
    match schema["type"]:
        case "integer":
            whole = st.integers(low, high) | st.sampled_from([low, high])
            return whole | whole.map(float)  # 5.0 is an integer for JSON Schema
        case "number":
            return st.floats(low, high) | st.sampled_from([0, 1])
        case "string":
            least, most = schema.get("minLength", 0), schema.get("maxLength", 40)
            return st.text(min_size=least, max_size=min(most, 40)) | st.just("x" * most if most <= ID_BYTES else "x")
        case "array":
            items = from_schema(schema.get("items", {"type": "string"}), parts)
            return st.lists(items, max_size=min(schema.get("maxItems", 5), 5))
        case "null":
            return st.none()
    raise AssertionError(schema)


MESSAGES = {topic: from_schema(schema, schema["$defs"]) for topic, schema in SCHEMAS.items()}


@pytest.mark.parametrize("topic", READ, ids=lambda topic: topic.name)
@given(data=st.data())
@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_what_the_schema_allows_is_taken_in(topic: Topic, data: DataObject) -> None:
    message = data.draw(MESSAGES[topic])
    if not VALIDATORS[topic].is_valid(message) or is_inexpressible(message):
        return
    for ascii_only in (True, False):
        assert refusal(topic, json.dumps(message, ensure_ascii=ascii_only).encode()) is None


def as_decoded(value: bytes) -> Any:
    """A message as the decoder sees it: what some clients write is put right. Raises ValueError for what is no JSON."""

    def right(name: str, one: Any) -> Any:
        if isinstance(one, list):
            return [right(name, part) for part in one]
        return SURROGATE.sub("\ufffd", one) if isinstance(one, str) and not name.endswith("_id") else one

    message = json.loads(value.decode("utf-8-sig").rstrip("\0"), parse_constant=refused)
    if not isinstance(message, dict):
        return message
    given = {name: right(name, one) for name, one in message.items()}
    return {name: one for name, one in given.items() if one != "" or name not in OPTIONAL_IDS}


def refused(name: str) -> None:
    raise ValueError(name)


@pytest.mark.parametrize("topic", READ, ids=lambda topic: topic.name)
def test_of_damaged_messages_the_schema_and_the_decoder_take_the_same(topic: Topic) -> None:
    rng = Random(0)
    seeds = [path.read_bytes() for path in sorted((GOLDEN / "messages" / topic.name).glob("*.json"))]
    counts = {True: 0, False: 0}
    for _ in range(DAMAGES):
        value = mutated(seeds, rng)
        found = refusal(topic, value)
        if found is not None and found.reason in (Reason.TOO_LARGE, Reason.SCHEMA_VERSION):
            continue
        try:
            message = as_decoded(value)
        except UnicodeDecodeError:
            continue  # in a field that nobody reads the decoder passes it over
        except (ValueError, RecursionError):
            assert found is not None, value[:300]
            continue
        if is_inexpressible(message) or any(isinstance(one, str) and SURROGATE.search(one) for one in ids_of(message)):
            assert found is not None, value[:300]
            continue
        valid = VALIDATORS[topic].is_valid(message)
        assert valid == (found is None), (found and found.detail, value[:300])
        counts[valid] += 1
    assert min(counts.values()) > DAMAGES // 20, counts


def ids_of(message: Any) -> list[Any]:
    return [one for name, one in message.items() if name.endswith("_id")] if isinstance(message, dict) else []
