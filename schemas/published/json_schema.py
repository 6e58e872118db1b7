"""JSON Schemas 2020-12 of the messages, made from the types.

A union of kinds is a `oneOf` whose members have `kind` as a `const`, with OpenAPI's `discriminator` beside it, so that
validators need not try each member and generators make a tagged union.
"""

from collections.abc import Iterator
from inspect import cleandoc
from typing import Any, get_args

import msgspec

from schemas import topics
from schemas.messages import dead_letters, erasures, feedback, recommendations, trends, videos
from schemas.published.examples import EXAMPLES, HEADER_EXAMPLES
from schemas.topics import Topic

Json = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
KIND = "kind"  # the field that tells the members of a union apart

# The types of a topic's JSON values; the other topics carry values in other formats.
VALUES: dict[Topic, Any] = {
    topics.FEEDBACK: feedback.Feedback,
    topics.UPLOADS: videos.Uploads,
    topics.FEATURES: videos.CatalogueRecord,
    topics.TRENDS: trends.Trends,
    topics.RECOMMENDATIONS: recommendations.Recommendation,
    topics.ERASURES: erasures.Erasure,
    topics.ERASED: erasures.ErasureMarker,
    topics.HANDLED: dead_letters.Handled,
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
        },
        recommendations.SOURCE_TOPIC_ID: {
            "type": "string",
            "description": "id of that profiles.v1, which is another one after the topic was deleted and made again",
        },
    },
}
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
                ("tags", {"type": "array", "items": {"type": "string"}, "contains": A_WORD}),
                ("media_uri", A_TEXT),
                ("thumbnail_uri", A_TEXT),
            )
        ]
    }
}


def schema_of(topic: Topic) -> Json:
    """The JSON Schema of a topic's values, or of its headers where the values are not JSON."""
    head: Json = {"$schema": DIALECT, "$id": f"urn:freshet:{topic.name}", "title": topic.name}
    if topic not in VALUES:
        return head | {"description": f"Headers: {topic.carries}."} | headers_of(topic)
    top, parts = definitions(VALUES[topic], "#/$defs")
    return head | {"description": f"{topic.carries}; the key is {topic.key}."} | top | {"$defs": parts}


def headers_of(topic: Topic) -> Json:
    """The record headers of a topic, each as text."""
    head: Json = {"type": "object", "required": list(HEADERS[topic]), "properties": HEADERS[topic]}
    return head | {"examples": [HEADER_EXAMPLES[topic]]}


def definitions(kind: Any, place: str) -> tuple[Json, Json]:
    """The schema of a type, and those that it refers to, whose references begin with `place`."""
    (top,), parts = msgspec.json.schema_components([kind], ref_template=place + "/{name}")
    return _tagged(top), {name: _part(name, part) for name, part in parts.items()}


def members(topic: Topic) -> tuple[type[msgspec.Struct], ...]:
    """The types of a topic's values, one a kind."""
    return get_args(VALUES[topic]) or (VALUES[topic],)


def examples_of(name: str) -> Iterator[Json]:
    """Examples of the message type of this name, as plain JSON; none of a type that is only a part."""
    yield from (msgspec.json.decode(msgspec.json.encode(one)) for one in EXAMPLES if type(one).__name__ == name)


def _tagged(top: Json) -> Json:
    """A union as `oneOf`: exactly one member fits, which `anyOf` does not say.

    Without OpenAPI's `mapping`, which Ajv refuses; the constants of the members say the same.
    """
    if "discriminator" not in top:
        return top
    return {"type": "object", "oneOf": top["anyOf"], "discriminator": {"propertyName": KIND}}


def _part(name: str, part: Json) -> Json:
    examples = list(examples_of(name))
    return _described(_constant(part)) | LAWS.get(name, {}) | ({"examples": examples} if examples else {})


def _constant(part: Json) -> Json:
    """The kind as a `const`, from which generators make a literal; msgspec writes a list of one."""
    fields: Json = part.get("properties", {})
    if "enum" not in fields.get(KIND, {}):
        return part
    (kind,) = fields[KIND]["enum"]
    return part | {"properties": fields | {KIND: {"const": kind, "type": "string"}}}


def _described(part: Json) -> Json:
    return part | {"description": cleandoc(part["description"])} if "description" in part else part
