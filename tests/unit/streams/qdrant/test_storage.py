"""How a collection is stored: as set where it is made, said where it differs, never changed; and who uses which key."""

import logging
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ranker.retrieval.index import IndexRefused, Taste
from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.qdrant.client import connect
from streams.qdrant.index import QdrantIndex, index_of, open_index, reader_of
from streams.qdrant.people import near_people
from streams.qdrant.storage import Storage
from tests.support.certificates import Authority
from tests.support.indexed_videos import DIM, ENCODER, shelf, vectors
from tests.support.qdrant_stub import HASTY, LOCAL_MODE, QdrantStub, running

pytestmark = LOCAL_MODE

CLUSTER = {"qdrant_shards": 6, "qdrant_replicas": 2, "qdrant_write_consistency": 2}
SMALL = {"qdrant_quantization": "int8", "qdrant_on_disk": True}


def settings_of(stub: QdrantStub, **changes: Any) -> Settings:
    return Settings(qdrant_url=stub.url, **changes)


async def created(stub: QdrantStub, **changes: Any) -> dict[str, Any]:
    """What a server was told of a new collection."""
    index = await open_index(settings_of(stub, **changes), DIM, ENCODER)
    await index.close()
    [body] = [asked.body for asked in stub.asked if asked.method == "PUT" and asked.path.endswith("-1")]
    assert isinstance(body, dict)
    return body


async def test_a_collection_is_made_as_it_is_set(stub: QdrantStub) -> None:
    body = await created(stub, **CLUSTER, **SMALL)
    told = {name: body[name] for name in ("shard_number", "replication_factor", "write_consistency_factor")}
    assert told == {"shard_number": 6, "replication_factor": 2, "write_consistency_factor": 2}
    scalar = {"type": "int8", "quantile": 0.99, "always_ram": True}
    assert body["vectors"]["retrieval"]["quantization_config"] == {"scalar": scalar}
    assert body["vectors"]["retrieval"]["on_disk"] is True


async def test_by_default_the_server_chooses_the_shards_and_vectors_stay_whole_in_memory(stub: QdrantStub) -> None:
    body = await created(stub)
    assert "shard_number" not in body and body["replication_factor"] == 1
    assert body["vectors"]["retrieval"].keys() == {"size", "distance"}


async def test_a_collection_that_differs_is_said_in_one_line_and_stays(
    stub: QdrantStub, caplog: pytest.LogCaptureFixture
) -> None:
    await created(stub)
    stub.asked.clear()
    index = index_of(settings_of(stub, **CLUSTER, **SMALL), DIM, ENCODER)
    for _ in range(3):  # an indexer opens it again and again
        await index.start()
    await index.close()
    [said] = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert "1 where FRESHET_QDRANT_SHARDS is 6, 1 where FRESHET_QDRANT_REPLICAS is 2," in said
    assert "none where FRESHET_QDRANT_QUANTIZATION is int8, false where FRESHET_QDRANT_ON_DISK is true;" in said
    assert said.endswith("it stays so, and `freshet rebuild` makes another")
    assert {asked.method for asked in stub.asked} == {"GET"}


async def test_one_that_is_stored_as_set_is_not_worth_a_word(
    stub: QdrantStub, caplog: pytest.LogCaptureFixture
) -> None:
    await created(stub, **CLUSTER, **SMALL)
    (await (again := index_of(settings_of(stub, **CLUSTER, **SMALL), DIM, ENCODER)).start(), await again.close())
    assert not [one for one in caplog.records if one.levelno == logging.WARNING]


async def test_what_is_filled_beside_is_stored_as_set_now(stub: QdrantStub) -> None:
    await created(stub)
    index = index_of(settings_of(stub, **SMALL), DIM, ENCODER)
    beside = await index.collection.beside()
    await index.close()
    wanted = stub.created[beside.name].vectors
    assert isinstance(wanted, dict) and wanted["retrieval"].quantization_config is not None


async def test_hits_of_quantised_vectors_are_ordered_by_the_whole_ones(stub: QdrantStub) -> None:
    stored = Storage(is_quantized=True, oversampling=3.0)
    index = QdrantIndex(connect(stub.url), "videos", DIM, ENCODER, storage=stored)
    await index.start()
    await index.upsert(shelf(3))
    await index.near(vectors(1, seed=1), 3)
    params = stub.asked[-1].body["searches"][0]["params"]
    assert params["quantization"] == {"rescore": True, "oversampling": 3.0}
    await near_people(index, [Taste(("v000", "v001")), Taste(("v000",))], 3)
    two, one = stub.asked[-1].body["searches"]
    assert two["prefetch"][1]["params"] == one["params"] == params
    await index.close()
    assert Storage(is_quantized=True, oversampling=3.0).quantization(1.5).oversampling == 1.5  # type: ignore[union-attr]  # strict mode's limit


async def keys_of(stub: QdrantStub, index: QdrantIndex) -> set[str | None]:
    stub.asked.clear()
    await index.collection.look()
    await index.close()
    return {asked.headers.get("api-key") for asked in stub.asked}


async def test_who_only_reads_uses_the_key_for_that_where_it_is_set(stub: QdrantStub) -> None:
    both = settings_of(stub, qdrant_api_key=SecretStr("all"), qdrant_read_key=SecretStr("read"))
    assert await keys_of(stub, index_of(both, DIM, ENCODER)) == {"all"}
    assert await keys_of(stub, reader_of(both, DIM, ENCODER)) == {"read"}
    one = settings_of(stub, qdrant_api_key=SecretStr("all"))
    assert await keys_of(stub, reader_of(one, DIM, ENCODER)) == {"all"}
    other = settings_of(stub, qdrant_read_key=SecretStr("read"))
    assert await keys_of(stub, index_of(other, DIM, ENCODER)) == {None}


async def test_the_certificate_of_an_authority_of_ones_own_is_taken_and_of_others_refused_at_once(
    tmp_path: Path,
) -> None:
    ours, theirs = (Authority(tmp_path, name) for name in ("ours", "theirs"))
    async with running(QdrantStub(), ours.sign("server", "IP:127.0.0.1")) as stub:
        for authority in (ours, theirs):
            index = QdrantIndex(
                connect(stub.url, authority=str(authority.certificate)), "v", DIM, ENCODER, writing=HASTY
            )
            if authority is ours:
                await index.start()
            else:
                with pytest.raises(IndexRefused, match="s certificate is not trusted, see FRESHET_QDRANT_CA"):
                    await index.start()
            await index.close()


def test_a_file_that_holds_no_certificate_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("no certificate")
    with pytest.raises(OperatorError, match=r"FRESHET_QDRANT_CA: .*ca\.pem holds no certificate") as caught:
        connect("https://127.0.0.1:1", authority=str(file))
    assert caught.value.remedy == "Name a PEM file."
