"""How the Qdrant adapter speaks to its server, and what it does when the server is in trouble."""

import re
from asyncio import gather, get_running_loop
from collections.abc import AsyncIterator

import numpy as np
import pytest
from pydantic import SecretStr

from ranker.retrieval.index import IndexUnavailable
from schemas.settings.model import Settings
from streams.qdrant.client import IndexRefused, connect
from streams.qdrant.index import QdrantIndex, open_index
from streams.qdrant.mapping import collection_name, point_id
from tests.support.idle_time import skip_idle_time
from tests.support.indexed_videos import DIM, ENCODER, OPENAPI, judge, shelf, vectors, video
from tests.support.qdrant_stub import HASTY, LOCAL_MODE, QUICK, SILENCE, Answer, QdrantStub, running
from tests.support.qdrant_wire import QueryBatch

pytestmark = LOCAL_MODE


@pytest.fixture
async def served(stub: QdrantStub) -> AsyncIterator[QdrantIndex]:
    index = QdrantIndex(connect(stub.url), "videos", DIM, ENCODER, reading=QUICK, writing=QUICK)
    await index.start()
    stub.asked.clear()
    yield index
    await index.close()


@pytest.fixture
async def hasty(stub: QdrantStub, served: QdrantIndex) -> AsyncIterator[QdrantIndex]:
    index = QdrantIndex(connect(stub.url), "videos", DIM, ENCODER, reading=HASTY, writing=HASTY)
    yield index
    await index.close()


@pytest.mark.skipif(not OPENAPI.exists(), reason=f"needs {OPENAPI.name}; set FRESHET_TEST_DATA")
async def test_the_published_api_would_notice_a_wrong_request() -> None:
    path = "/collections/videos/points/query/batch"
    search = {"query": [0.0] * DIM, "limit": 3, "params": {"hnsw_ef": 64}, "with_payload": ["video_id"]}
    good = {"searches": [search]}
    for body in ({"searches": [{"querry": [0.0]}]}, {"searches": [{"limit": 0}]}, {"searches": {}}, None):
        assert judge().faults(QueryBatch("POST", path, {}, {}, body)) != []
    assert judge().faults(QueryBatch("POST", path, {"timeout": "1"}, {}, good)) == []
    assert judge().faults(QueryBatch("POST", path, {"wait": "true"}, {}, good)) != []
    assert judge().faults(QueryBatch("GET", path, {}, {}, None)) != []


async def test_payload_indexes_are_made_before_the_first_point(stub: QdrantStub, served: QdrantIndex) -> None:
    await served.upsert(shelf(3))
    assert stub.indexes == {
        name: {"data_type": "integer" if name == "at_ms" else "keyword", "points": 0}
        for name in ("at_ms", "video_id", "creator_id", "category", "language", "tags", "mark")
    }


async def test_many_vectors_are_one_request_for_ids_alone(stub: QdrantStub, served: QdrantIndex) -> None:
    await served.upsert(shelf())
    stub.asked.clear()
    await served.near(vectors(50, seed=13), 200)
    (asked,) = stub.asked
    assert asked.path == "/collections/videos/points/query/batch"
    assert len(asked.body["searches"]) == 50
    search = asked.body["searches"][0]
    assert search["with_payload"] == ["video_id"]
    assert search["params"] == {"hnsw_ef": 208, "exact": False}  # never below the limit
    assert not search.get("with_vector")


async def test_writes_wait_until_they_are_applied(stub: QdrantStub, served: QdrantIndex) -> None:
    await served.upsert(shelf(3))
    await served.remove(["v001"])
    assert [asked.query["wait"] for asked in stub.asked] == ["true", "true"]


async def test_the_more_videos_there_are_the_wider_is_the_search(stub: QdrantStub, served: QdrantIndex) -> None:
    for points, ef in ((0, 128), (100_000, 256), (1_000_000, 512)):
        served.collection.points = points
        await served.near(vectors(1, seed=13), 5)
        assert stub.asked[-1].body["searches"][0]["params"]["hnsw_ef"] == ef


PASSING = [
    Answer(429),
    Answer(429, {"Retry-After": "0"}),
    Answer(429, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),  # allowed, though Qdrant sends seconds
    Answer(503),
    Answer(500),
    SILENCE,
]


@pytest.mark.parametrize("trouble", PASSING)
async def test_passing_trouble_is_tried_again(stub: QdrantStub, served: QdrantIndex, trouble: Answer) -> None:
    stub.next(trouble)
    await served.upsert(shelf(3))
    stub.next(trouble)
    assert len((await served.near(vectors(1, seed=14), 3))[0].video_ids) == 3
    assert len(stub.asked) == 4


async def test_an_answer_lost_after_the_work_does_no_harm(stub: QdrantStub, served: QdrantIndex) -> None:
    stub.next(Answer(503, after=True))
    await served.upsert(shelf(3))
    assert await served.count() == 3


@pytest.mark.parametrize("trouble", [Answer(429), Answer(503), Answer(500), SILENCE])
async def test_lasting_trouble_ends_at_the_deadline_in_one_error(
    stub: QdrantStub, hasty: QdrantIndex, trouble: Answer
) -> None:
    stub.always = trouble
    query, clock = vectors(1, seed=15), get_running_loop().time
    began = clock()
    calls = (hasty.upsert(shelf(2)), hasty.near(query, 3), hasty.remove(["v1"]), hasty.count())
    errors = await gather(*calls, return_exceptions=True)
    assert clock() - began <= HASTY.deadline_s + 1e-6  # the difference of two large numbers
    attempts = []
    for error in errors:
        assert isinstance(error, IndexUnavailable)
        attempts += re.findall(r"within 0\.45 s \((\d+) attempts", str(error))
    assert len(attempts) == 4 and min(map(int, attempts)) > 1
    assert len(stub.asked) == sum(map(int, attempts))


async def test_a_wait_beyond_the_deadline_is_not_waited_for(stub: QdrantStub, hasty: QdrantIndex) -> None:
    stub.next(Answer(429, {"Retry-After": "60"}))
    began = get_running_loop().time()
    with pytest.raises(IndexUnavailable, match="retry after 60 s"):
        await hasty.upsert(shelf(1))
    assert get_running_loop().time() - began < HASTY.deadline_s


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_a_refusal_is_not_tried_again(stub: QdrantStub, served: QdrantIndex, status: int) -> None:
    stub.always = Answer(status)
    for asked in (1, 2):  # and no later query pays for it
        with pytest.raises(IndexRefused, match=f"HTTP {status}"):
            await served.near(vectors(1, seed=17), 3)
        assert len(stub.asked) == asked


async def test_nobody_there_is_unavailable() -> None:
    skip_idle_time()
    async with running(QdrantStub()) as gone:
        url = gone.url
    index = QdrantIndex(connect(url), "videos", DIM, ENCODER, reading=HASTY, writing=HASTY)
    with pytest.raises(IndexUnavailable, match="check that it runs"):
        await index.start()
    await index.close()


@pytest.mark.parametrize("version", ["1.15.5", "0.11.0", "2.0.0"])
async def test_a_server_without_conditional_writes_is_refused(version: str) -> None:
    async with running(QdrantStub(version)) as old:
        index = QdrantIndex(connect(old.url), "videos", DIM, ENCODER)
        with pytest.raises(IndexRefused, match=f"Qdrant {version} is not supported"):
            await index.start()
        await index.close()


async def test_a_collection_of_other_vectors_is_refused(stub: QdrantStub, served: QdrantIndex) -> None:
    for dim, encoder in ((DIM * 2, ENCODER), (DIM, "fused@4")):
        other = QdrantIndex(connect(stub.url), "videos", dim, encoder)
        with pytest.raises(IndexRefused, match="set qdrant_collection to another name"):
            await other.start()
        await other.close()


async def test_two_that_start_at_once_share_the_collection(stub: QdrantStub) -> None:
    index = QdrantIndex(connect(stub.url), "videos", DIM, ENCODER, writing=QUICK)
    # Version, whether it is there and which there are, as they are; the collection is made, but the answer is lost.
    stub.next(*[Answer(200, after=True)] * 3, Answer(503, after=True))
    await index.start()
    await index.close()
    assert [asked.path for asked in stub.asked if asked.method == "PUT"].count("/collections/videos-1") == 2


async def test_each_encoder_version_has_its_own_collection(stub: QdrantStub) -> None:
    settings = Settings(qdrant_url=stub.url, qdrant_api_key=SecretStr("k"), qdrant_hnsw_ef=77)
    first, second = await open_index(settings, DIM, "fused@3"), await open_index(settings, DIM, "fused@4")
    await first.upsert(shelf(3))
    assert (await first.count(), await second.count()) == (3, 0)
    await first.near(vectors(1, seed=18), 3)
    assert stub.asked[-1].body["searches"][0]["params"]["hnsw_ef"] == 77
    await first.close()
    await second.close()
    assert collection_name("a", "x/y@1", 8) == "a-x-y-1-8-layout4"


async def test_the_alias_goes_over_to_another_collection_in_one_step(stub: QdrantStub) -> None:
    settings = Settings(qdrant_url=stub.url)
    old, new = await open_index(settings, DIM, "fused@3"), await open_index(settings, DIM, "fused@4")
    await old.collection.take_alias("videos-now")
    assert (await stub.aliases())["videos-now"] == collection_name("freshet.videos", "fused@3", DIM) + "-1"
    stub.asked.clear()
    await new.collection.take_alias("videos-now")
    assert (await stub.aliases())["videos-now"] == collection_name("freshet.videos", "fused@4", DIM) + "-1"
    assert [asked.path for asked in stub.asked if asked.method == "POST"] == ["/collections/aliases"]
    await old.close()
    await new.close()


async def test_no_url_means_no_server() -> None:
    with pytest.raises(ValueError, match="embedded index"):
        await open_index(Settings(), DIM, ENCODER)


async def test_a_vector_that_is_none_is_refused(served: QdrantIndex) -> None:
    for bad in (np.full(DIM, np.nan, np.float32), np.zeros(DIM + 1, np.float32)):
        with pytest.raises(ValueError, match="video v1 has a retrieval vector of shape"):
            await served.upsert([video("v1", bad)])
        with pytest.raises(ValueError, match="finite rows of 16"):
            await served.near(bad[None], 3)
    assert await served.count() == 0


def test_point_ids_do_not_change() -> None:
    assert point_id("v7") == "c36d4172-5698-5657-88b1-d357357b30fc"
