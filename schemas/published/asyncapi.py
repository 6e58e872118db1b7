"""The topics as an AsyncAPI 3.0 document with Kafka bindings, made from the types."""

from collections.abc import Iterator
from inspect import cleandoc
from typing import Any

from schemas import topics
from schemas.messages.dead_letters import LETTER_BYTES
from schemas.published.examples import HEADER_EXAMPLES, VALUE_EXAMPLES
from schemas.published.json_schema import HEADERS, VALUES, Json, definitions, examples_of, headers_of, members
from schemas.settings.model import Settings
from schemas.topics import Topic

BINDING = "0.5.0"  # of AsyncAPI's Kafka bindings
RECEIVED = (topics.FEEDBACK, topics.UPLOADS, topics.ERASURES)  # Freshet writes all others
PACKED: Json = {"contentEncoding": "base64", "contentMediaType": "application/msgpack"}
# Topics whose values are not JSON: content type, what they carry, and the schema of their value in an example.
BYTES: dict[Topic, tuple[str, str, Json]] = {
    topics.PROFILES: ("application/msgpack", "one person's profile", PACKED),
    topics.EVENT_IDS: ("application/msgpack", "64 event ids of one person, hashed", PACKED),
    topics.EXAMPLES: ("application/msgpack", "outcomes of events, each with counters before it and no id", PACKED),
    topics.WEIGHTS: ("application/msgpack", "eight rows of the learned parameters, or the manifest", PACKED),
    topics.DEAD_LETTERS: (
        "application/octet-stream",
        f"the original bytes, the first {LETTER_BYTES // 1024} KiB of them",
        {},
    ),
}


def asyncapi(prefix: str = "freshet.", partitions: int | None = None, replicas: int | None = None) -> Json:
    """All topics as an AsyncAPI 3.0 document with Kafka bindings, self-contained."""
    default = Settings.model_fields
    counts = (partitions or default["partitions"].default, replicas or default["replication"].default)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Freshet",
            "version": "1.0.0",
            "description": "Recommends videos to people while they watch: events and uploads in, slates out. "
            "Readers ignore unknown fields; fields are only ever added inside a major version. "
            "Keys are partitioned by murmur2; librdkafka's clients set partitioner=murmur2_random.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"local": {"host": default["bootstrap"].default, "protocol": "kafka"}},
        "channels": {_id(topic): _channel(topic, prefix, *counts) for topic in topics.TOPICS},
        "operations": {_verb(topic) + _title(topic): _operation(topic) for topic in topics.TOPICS},
        "components": {
            "messages": {name: message for topic in topics.TOPICS for name, message in _messages(topic)},
            "schemas": {name: part for topic in VALUES for name, part in _draft_07_parts(topic)},
        },
    }


def _channel(topic: Topic, prefix: str, partitions: int, replicas: int) -> Json:
    return {
        "address": topic.full(prefix),
        "description": f"{topic.carries}; the key is {topic.key}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name, _ in _messages(topic)},
        "bindings": {
            "kafka": {
                "topic": topic.full(prefix),
                "partitions": partitions,
                "replicas": replicas,
                "topicConfiguration": _configuration(topic),
                "bindingVersion": BINDING,
            }
        },
    }


def _configuration(topic: Topic) -> Json:
    """The broker's topic configuration with the types that the bindings require."""
    config = topic.config()
    typed = {name: int(value) if value.isdigit() else value for name, value in config.items()}
    return typed | {"cleanup.policy": config["cleanup.policy"].split(",")}


def _operation(topic: Topic) -> Json:
    return {"action": _verb(topic), "channel": {"$ref": f"#/channels/{_id(topic)}"}}


def _messages(topic: Topic) -> Iterator[tuple[str, Json]]:
    """The messages of a topic, one a kind, each with examples."""
    key = {"type": "string", "description": topic.key}
    common: Json = {"bindings": {"kafka": {"key": key, "bindingVersion": BINDING}}}
    if topic in HEADERS:
        common["headers"] = headers_of(topic)
    if topic not in VALUES:
        content_type, carries, value = BYTES[topic]
        name = _title(topic)
        payload: Json = {"type": "string", "description": carries} | value
        examples = [_example(topic, VALUE_EXAMPLES[topic])]
        yield (
            name,
            {"name": name, "contentType": content_type, "summary": carries, "payload": payload}
            | common
            | {"examples": examples},
        )
        return
    for struct in members(topic):
        name = struct.__name__
        summary = cleandoc(struct.__doc__ or "").splitlines()[0]
        payload = {"$ref": f"#/components/schemas/{name}"}
        examples = [_example(topic, value) for value in examples_of(name)]
        yield name, {"name": name, "summary": summary, "payload": payload} | common | {"examples": examples}


def _example(topic: Topic, payload: Any) -> Json:
    headers = {"headers": HEADER_EXAMPLES[topic]} if topic in HEADERS else {}
    return {**headers, "payload": payload}


def _draft_07_parts(topic: Topic) -> Iterator[tuple[str, Json]]:
    """AsyncAPI's own schema dialect is draft 07, which writes tuples in another way."""
    for name, part in definitions(VALUES[topic], "#/components/schemas")[1].items():
        yield name, _tuples_as_items(part)


def _tuples_as_items(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_tuples_as_items(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _tuples_as_items(value) for key, value in schema.items()}
    if "prefixItems" in plain:
        return {key: value for key, value in plain.items() if key not in ("prefixItems", "items")} | {
            "items": plain["prefixItems"],
            "additionalItems": False,
        }
    return plain


def _id(topic: Topic) -> str:
    return topic.name.rpartition(".")[0]


def _title(topic: Topic) -> str:
    return _id(topic).title().replace("-", "")


def _verb(topic: Topic) -> str:
    return "receive" if topic in RECEIVED else "send"
