"""Whether bytes name a person: as a whole, however it is written, and never as a part of something longer."""

import json
from base64 import b64encode
from pathlib import Path

import msgspec
import pytest
from qdrant_client import AsyncQdrantClient, models

from ranker.profile.codec import pack
from streams.operations import erasure_audit
from streams.operations.user_id_scan import contains_user_id, lines_with_user_id
from tests.support.events import after, watched

PROFILE = pack(after(watched("ana", "u42", event_id="u42-1")))


@pytest.mark.parametrize(
    "data",
    [
        b"u42",
        b'{"user_id":"u42"}',
        b'{"u42":1}',
        b'"u42"',
        b'{"user_id":"\\u00754\\u0032"}',
        b'{"user_id":"u42","video_id":"v',  # a dead letter that was cut short
        b'{"said":"{\\"user_id\\":\\"u42\\"}"}',
        b'{"data_base64":"' + b64encode(b'{"user_id":"u42"}') + b'"}',
        msgspec.msgpack.encode({"who": ["u42"]}),
        msgspec.msgpack.encode([b"u42", {1: 2}]),
        PROFILE,
        b"\xff" + msgspec.msgpack.encode("u42") + b"\xc1",  # damaged
    ],
)
def test_a_person_is_found_in_whatever_holds_their_id(data: bytes) -> None:
    assert contains_user_id(data, "u42")
    assert not contains_user_id(data, "u4")


@pytest.mark.parametrize(
    "data",
    [
        None,
        b"",
        b"u421",
        b'{"user_id":"u421","video_id":"xu42"}',
        b'{"user_id":"\\u00754\\u00321"}',
        '{"title":"ãu42"}'.encode(),  # the byte before the id is what MessagePack writes before one of its length
        msgspec.msgpack.encode({"who": "u421"}),
        b'{"event_id":"u42-1"}',
    ],
)
def test_an_id_within_a_longer_one_is_nobody(data: bytes | None) -> None:
    assert not contains_user_id(data, "u42")


@pytest.mark.parametrize("user_id", ['a"b', "a\\b", "ü", "日本", "a b", "x" * 40, "y" * 256, "1/2"])
def test_odd_ids_are_found_however_they_are_written(user_id: str) -> None:
    for text in (json.dumps({"who": user_id}), json.dumps({"who": user_id}, ensure_ascii=False)):
        assert contains_user_id(text.encode(), user_id)
    assert contains_user_id(json.dumps({"who": user_id}).replace("/", "\\/").encode(), user_id)
    assert contains_user_id(msgspec.msgpack.encode([user_id]), user_id)
    assert not contains_user_id(msgspec.msgpack.encode([user_id + "z"]), user_id)


def test_lines_of_a_file_name_a_person_as_a_word(tmp_path: Path) -> None:
    file = tmp_path / "some.log"
    file.write_text('seen u42.\nseen u421\nkey=u42\n{"who":"\\u00754\\u0032"}\nxu42 u42-1 u42_1\n', "utf-8")
    assert list(lines_with_user_id(file, "u42")) == [1, 3, 4]


async def test_every_payload_of_an_index_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure_audit, "PAGE_SIZE", 2)
    client = AsyncQdrantClient(location=":memory:")
    await client.create_collection("videos", models.VectorParams(size=2, distance=models.Distance.COSINE))
    payloads = [{"creator_id": f"u4{n}", "tags": ["u42"] if n == 5 else []} for n in range(7)]
    points = [models.PointStruct(id=n, vector=[1.0, n], payload=one) for n, one in enumerate(payloads)]
    await client.upsert("videos", points)
    found = await erasure_audit.in_collection(client, "videos", "u42")
    assert (found.looked_at, found.hits, found.must_be_gone) == (7, 2, True)
    await client.close()


def test_an_expiry_is_told_by_the_brokers_own_configuration() -> None:
    found = erasure_audit.AuditFinding(
        "f", "kept by time", hits=1, last_ms=1000, config={"retention.ms": "500", "segment.ms": "70"}
    )
    assert (found.expires_ms, found.gone_ms, found.must_be_gone) == (1500, 1570, False)
    found.config = {"retention.ms": "-1"}
    assert (found.expires_ms, found.gone_ms) == (None, None)
