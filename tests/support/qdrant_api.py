"""Qdrant's published API as a judge of requests."""

import json
from collections.abc import Hashable
from typing import Any

from jsonschema import Draft202012Validator

from tests.support.qdrant_wire import QueryBatch

TRUTH = ("true", "false")


class Published:
    """Qdrant's published OpenAPI 3.0 document as a judge of requests."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.paths = document["paths"]
        self.definitions = as_json_schema(document["components"]["schemas"])
        self._judges: dict[str, Draft202012Validator] = {}

    def faults(self, asked: QueryBatch) -> list[str]:
        """What is wrong with a request; nothing, if all is well."""
        found = self._operation(asked)
        if found is None:
            return [f"{asked.method} {asked.path}: no such operation"]
        operation, template = found
        known = {p["name"]: p["schema"] for p in operation.get("parameters", ()) if p["in"] == "query"}
        faults = [f"{template}: unknown query parameter {name}" for name in asked.query if name not in known]
        faults += [
            f"{template}?{name}={text}: {fault}"
            for name, text in asked.query.items()
            if name in known
            for fault in self._against(known[name], text if text.isalpha() and text not in TRUTH else json.loads(text))
        ]
        wanted = operation.get("requestBody")
        if wanted is None:
            return faults + ([f"{template}: a body where none belongs"] if asked.body is not None else [])
        return faults + self._against(wanted["content"]["application/json"]["schema"], asked.body)

    def _operation(self, asked: QueryBatch) -> tuple[Any, str] | None:
        parts = asked.path.split("/")
        for template, operations in self.paths.items():
            pieces = template.split("/")
            fits = len(pieces) == len(parts) and all(
                piece.startswith("{") or piece == part for piece, part in zip(pieces, parts, strict=True)
            )
            if fits and asked.method.lower() in operations:
                return operations[asked.method.lower()], template
        return None

    def _against(self, schema: Any, value: Any) -> list[str]:
        named = json.dumps(schema)
        if named not in self._judges:
            whole = {**as_json_schema(schema), "components": {"schemas": self.definitions}}
            self._judges[named] = Draft202012Validator(whole)
        errors = self._judges[named].iter_errors(shortened(value))
        return [f"{error.json_path}: {error.message[:300]}" for error in errors]


def shortened(value: Any) -> Any:
    """The same with one number of each vector, and in each list one object of each form: hundreds are asked the same.

    >>> shortened({"points": [{"id": 1, "vector": [0.5, 1.0]}, {"id": 2, "vector": [0.0, 1.0]}], "ids": [1, 2]})
    {'points': [{'id': 1, 'vector': [0.5]}], 'ids': [1, 2]}
    """
    if isinstance(value, dict):
        return {name: shortened(one) for name, one in value.items()}
    if not isinstance(value, list):
        return value
    types = {*map(type, value)}
    if types == {float}:
        return value[:1]
    if types == {dict}:
        value = [*{form(one): one for one in reversed(value)}.values()][::-1]
    return [shortened(one) for one in value]


def form(value: Any) -> Hashable:
    """Names and types alone."""
    if isinstance(value, dict):
        return frozenset((name, form(one)) for name, one in value.items())
    return frozenset(map(form, value)) if isinstance(value, list) else type(value).__name__


def as_json_schema(schema: Any) -> Any:
    """OpenAPI 3.0's dialect as JSON Schema: `nullable` spelled out, unknown fields refused."""
    if isinstance(schema, list):
        return [as_json_schema(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: as_json_schema(value) for key, value in schema.items() if key != "nullable"}
    if isinstance(schema.get("properties"), dict) and "type" in schema:
        plain.setdefault("additionalProperties", False)
    if schema.get("nullable") is not True:
        return plain
    return {"anyOf": [plain, {"type": "null"}]} if plain else {"type": "null"}
