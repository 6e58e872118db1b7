"""Qdrant's published API as a judge of requests."""

import json
from typing import Any

from jsonschema import Draft202012Validator

from tests.support.qdrant_wire import QueryBatch


class Published:
    """Qdrant's published OpenAPI 3.0 document as a judge of requests."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.paths = document["paths"]
        self.definitions = as_json_schema(document["components"]["schemas"])

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
            for fault in self._against(known[name], json.loads(text))
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
        whole = {**as_json_schema(schema), "components": {"schemas": self.definitions}}
        errors = Draft202012Validator(whole).iter_errors(value)
        return [f"{error.json_path}: {error.message[:300]}" for error in errors]


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
