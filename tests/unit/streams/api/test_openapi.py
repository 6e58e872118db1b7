"""The OpenAPI document says what the API does."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from schemas.settings.model import Settings
from streams.api.routers import slates
from streams.api.services import Services
from streams.api.slate_store import StoredSlate
from tests.support.api import Api, record, running, slate

CASES = 8  # a route; more is for a night
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
METHODS = ("get", "put", "post", "delete", "patch")


async def document_of(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = (await api.http.get("/openapi.json")).json()
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    ]


async def test_every_route_says_what_it_does_and_what_an_error_is(api: Api) -> None:
    document = await document_of(api)
    found = operations(document)
    assert len(found) >= 11
    assert [path for path, _, operation in found if not operation.get("summary")] == []
    names = [operation["operationId"] for _, _, operation in found]
    assert sorted(set(names)) == sorted(names)


async def test_every_reference_of_the_document_leads_somewhere(api: Api) -> None:
    document = await document_of(api)

    def references(part: Any) -> list[str]:
        if isinstance(part, list):
            return [one for inner in part for one in references(inner)]
        if isinstance(part, dict):
            own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
            return own + [one for inner in part.values() for one in references(inner)]
        return []

    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) - known == set()


async def test_every_example_of_a_body_is_taken(api: Api) -> None:
    document = await document_of(api)
    sent = 0
    for path, method, operation in operations(document):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            for example in content.get("examples", {}).values():
                answer = await api.http.request(method, path, json=example["value"])
                assert answer.status_code < 300, (path, answer.text)
                assert "rejected" not in answer.text
                sent += 1
    assert sent >= 3


async def test_the_answers_keep_to_their_schemas(api: Api) -> None:
    document = await document_of(api)
    api.bring(record("u42", slate("u42")))
    whole = {"$ref": "#/components/schemas/SlateAnswer", "components": document["components"]}
    Draft202012Validator(whole).validate((await api.http.get("/v1/users/u42/slate")).json())


@pytest.fixture
def described(tmp_path: Path) -> Api:
    """An application whose services stay when its lifespan has ended: each generated request has a loop of its own."""
    root = tmp_path / "media"
    root.mkdir()

    async def made() -> Api:
        async with running(Settings(data_dir=tmp_path, media_root=str(root), api_hosts="testserver")) as api:
            api.bring(record("u42", slate("u42")))
            return api

    return asyncio.run(made())


@pytest.mark.slow
def test_no_generated_request_breaks_the_api_or_gets_another_answer_than_described(
    described: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(services: Services, user_id: str, *_: object) -> StoredSlate | None:
        return await services.slates.get(user_id)

    monkeypatch.setattr(slates, "_waited", at_once)
    schema = schemathesis.openapi.from_asgi("/openapi.json", described.app).exclude(path_regex="/slates$")  # endless
    tried = 0
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(max_examples=CASES, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def asks(case: schemathesis.Case) -> None:
            nonlocal tried
            tried += 1
            case.call_and_validate(checks=CHECKS)

        asks()
    assert tried > 50
