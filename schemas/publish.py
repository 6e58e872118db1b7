"""The messages as JSON Schema 2020-12 files and the topics as an AsyncAPI 3.0 document, made from the types.

`python -m schemas.publish` writes them again; a test fails when the files and the types differ.
"""

import json
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path
from typing import Any, get_args

import msgspec

from schemas import topics
from schemas.messages import dead_letters, erasures, feedback, recommendations, trends, videos
from schemas.settings.model import Settings
from schemas.topics import Topic

Json = dict[str, Any]

HERE = Path(__file__).parent / "json"
ASYNCAPI = Path(__file__).parents[1] / "docs" / "asyncapi.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
BINDING = "0.5.0"  # of AsyncAPI's Kafka bindings

# The types of a topic's JSON values; the other topics carry values in other formats.
VALUES: dict[Topic, Any] = {
    topics.FEEDBACK: feedback.Feedback,
    topics.UPLOADS: videos.Uploads,
    topics.FEATURES: videos.CatalogueRecord,
    topics.TRENDS: trends.Trends,
    topics.RECOMMENDATIONS: recommendations.Recommendation,
    topics.ERASURES: erasures.Erasure,
    topics.ERASED: erasures.ErasureMarker,
}
BYTES: dict[Topic, tuple[str, str]] = {
    topics.PROFILES: ("application/msgpack", "one person's profile"),
    topics.EVENT_IDS: ("application/msgpack", "64 event ids of one person, hashed"),
    topics.DEAD_LETTERS: ("application/octet-stream", "the original bytes, the first 64 KiB of them"),
}
HEADERS: dict[Topic, Json] = {
    topics.DEAD_LETTERS: {
        "reason": {"type": "string", "enum": [reason.value for reason in dead_letters.Reason]},
        "detail": {"type": "string", "description": "one sentence naming the field", "maxLength": 1000},
        "topic": {"type": "string", "minLength": 1},
        "partition": {"type": "string", "pattern": "^[0-9]+$"},
        "offset": {"type": "string", "pattern": "^[0-9]+$"},
        "at_ms": {"type": "string", "pattern": "^-?[0-9]+$"},
        "attempts": {"type": "string", "pattern": "^[1-9][0-9]*$"},
        "freshet_version": {"type": "string", "minLength": 1},
    },
    topics.RECOMMENDATIONS: {
        recommendations.SOURCE_OFFSET: {
            "type": "string",
            "pattern": "^[0-9]+$",
            "description": "offset in profiles.v1, same partition, of the profile that was ranked",
        }
    },
}
RECEIVED = (topics.FEEDBACK, topics.UPLOADS, topics.ERASURES)  # Freshet writes all others
A_TEXT: Json = {"type": "string", "minLength": 1}
A_WORD: Json = {"type": "string", "pattern": r"\S"}  # a blank tag says nothing
# Rules of a message that its field types cannot express.
LAWS: dict[str, Json] = {
    "Upload": {
        "anyOf": [
            {"required": [field], "properties": {field: some}}
            for field, some in (
                ("title", A_TEXT),
                ("description", A_TEXT),
                ("tags", {"type": "array", "contains": A_WORD}),
                ("media_uri", A_TEXT),
                ("thumbnail_uri", A_TEXT),
            )
        ]
    }
}


def definitions(kind: Any, place: str) -> tuple[Json, Json]:
    """The schema of a type, and those that it refers to, whose references begin with `place`."""
    (top,), parts = msgspec.json.schema_components([kind], ref_template=place + "/{name}")
    top.pop("discriminator", None)  # an OpenAPI keyword; `kind` tells them apart without it
    return top, {name: _tidy(part) | LAWS.get(name, {}) for name, part in parts.items()}


def schema_of(topic: Topic) -> Json:
    """The JSON Schema of a topic's values, or of its headers where the values are not JSON."""
    head: Json = {"$schema": DIALECT, "$id": f"urn:freshet:{topic.name}", "title": topic.name}
    if topic not in VALUES:
        return head | {"description": f"Headers: {topic.carries}."} | headers_of(topic)
    top, parts = definitions(VALUES[topic], "#/$defs")
    return head | {"description": f"{topic.carries}; the key is {topic.key}."} | top | {"$defs": parts}


def headers_of(topic: Topic) -> Json:
    """The record headers of a topic, each as text."""
    return {"type": "object", "required": list(HEADERS[topic]), "properties": HEADERS[topic]}


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


def files() -> Iterator[tuple[Path, str]]:
    """Every generated file and what it should hold."""
    for topic in topics.TOPICS:
        if topic in VALUES or topic is topics.DEAD_LETTERS:
            yield HERE / f"{topic.name}.schema.json", _text(schema_of(topic))
    yield ASYNCAPI, _text(asyncapi())


def write() -> None:
    """Write every generated file."""
    for path, text in files():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


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
    key = {"type": "string", "description": topic.key}
    common: Json = {"bindings": {"kafka": {"key": key, "bindingVersion": BINDING}}}
    if topic in HEADERS:
        common["headers"] = headers_of(topic)
    if topic not in VALUES:
        kind, carries = BYTES[topic]
        name = _title(topic)
        yield name, {"name": name, "contentType": kind, "summary": carries} | common
        return
    for struct in get_args(VALUES[topic]) or (VALUES[topic],):
        name = struct.__name__
        summary = cleandoc(struct.__doc__ or "").splitlines()[0]
        payload = {"$ref": f"#/components/schemas/{name}"}
        yield name, {"name": name, "summary": summary, "payload": payload} | common


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


def _tidy(part: Json) -> Json:
    return part | {"description": cleandoc(part["description"])} if "description" in part else part


def _id(topic: Topic) -> str:
    return topic.name.rpartition(".")[0]


def _title(topic: Topic) -> str:
    return _id(topic).title().replace("-", "")


def _verb(topic: Topic) -> str:
    return "receive" if topic in RECEIVED else "send"


def _text(document: Json) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write()
