"""Writes what is published of the messages: JSON Schema files and an AsyncAPI document.

`python -m schemas.publish` writes them again; a test fails when the files and the types differ.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from schemas import topics
from schemas.published.asyncapi import asyncapi
from schemas.published.json_schema import VALUES, Json, schema_of

HERE = Path(__file__).parent / "json"
ASYNCAPI = Path(__file__).parents[1] / "docs" / "asyncapi.json"


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


def _text(document: Json) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write()
