"""The laws of every video index, and how the Qdrant adapter speaks to its server."""

import json
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from time import monotonic

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import SecretStr
from qdrant_client import AsyncQdrantClient

from ranker.catalogue import Catalogue
from ranker.index import ExactIndex, IndexedVideo, IndexUnavailable, VideoIndex, Where
from schemas.settings import Settings
from streams.qdrant import QdrantIndex, collection_name, open_index, point_id
from streams.qdrant_call import IndexRefused, Patience, connect
from tests.qdrant_stub import SILENCE, Answer, Asked, Published, QdrantStub, running

DIM = 16
T0 = 1_650_000_000_000
ENCODER = "fused@3"
QUICK = Patience(attempt_s=1, deadline_s=10)
HASTY = Patience(attempt_s=0.15, deadline_s=0.45)
DATA = Path(os.environ.get("FRESHET_TEST_DATA") or Path(__file__).parents[2] / "shared/data")
OPENAPI = DATA / "qdrant/openapi-1.19.json"

pytestmark = [
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact"),
]


def vectors(count: int, seed: int) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def video(video_id: str, vector: NDArray[np.float32], at_ms: int = T0, **more: object) -> IndexedVideo:
    fields = {"creator_id": None, "category": None, "language": None, "tags": ()} | more
    return IndexedVideo(video_id=video_id, vector=vector, at_ms=at_ms, **fields)  # type: ignore[arg-type]


def shelf(count: int = 40) -> list[IndexedVideo]:
    """Videos v000.. with spread vectors, three categories, two languages, a minute between uploads."""
    return [
        video(
            f"v{n:03}",
            vector,
            T0 + n * 60_000,
            creator_id=f"c{n % 5}",
            category=("food", "cats", "travel")[n % 3],
            language=("en", "ja")[n % 2],
            tags=(f"t{n % 4}",),
        )
        for n, vector in enumerate(vectors(count, seed=1))
    ]


@pytest.fixture(params=["exact", "qdrant-local", "qdrant-server"])
async def index(request: pytest.FixtureRequest) -> AsyncIterator[VideoIndex]:
    if request.param == "exact":
        yield ExactIndex(Catalogue(DIM))
        return
    if request.param == "qdrant-local":
        local = QdrantIndex(AsyncQdrantClient(":memory:"), "videos", DIM, ENCODER)
        await local.start()
        yield local
        await local.close()
        return
    async with running(QdrantStub()) as stub:
        server = QdrantIndex(connect(stub.url), "videos", DIM, ENCODER)
        await server.start()
        yield server
        await server.close()
    if OPENAPI.exists():
        assert_published(stub.asked)


@lru_cache
def judge() -> Published:
    return Published(json.loads(OPENAPI.read_bytes()))


def assert_published(asked: Sequence[Asked]) -> None:
    assert [fault for request in asked for fault in judge().faults(request)] == []


# --- laws of every index -------------------------------------------------------------------------


async def test_the_nearest_come_first(index: VideoIndex) -> None:
    videos = shelf()
    await index.upsert(videos)
    queries = vectors(3, seed=2)
    truth = queries @ np.stack([v.vector for v in videos]).T  # [3, 40]
    for hits, scores in zip(await index.near(queries, 7), truth, strict=True):
        best = np.argsort(-scores, kind="stable")[:7]
        assert hits.video_ids == [f"v{n:03}" for n in best]
        assert hits.scores.dtype == np.float32
        np.testing.assert_allclose(hits.scores, scores[best], atol=1e-5)


async def test_equal_scores_are_ordered_by_id(index: VideoIndex) -> None:
    same = vectors(1, seed=3)[0]
    await index.upsert([video(name, same) for name in ("d", "b", "e", "a", "c")])
    (hits,) = await index.near(same[None], 3)
    assert hits.video_ids == ["a", "b", "c"]


async def test_an_upsert_can_be_repeated(index: VideoIndex) -> None:
    videos = shelf(10)
    await index.upsert(videos)
    before = await index.near(vectors(2, seed=4), 10)
    await index.upsert(videos)
    await index.upsert(videos[:3] + videos[:3])
    after = await index.near(vectors(2, seed=4), 10)
    assert await index.count() == 10
    assert [h.video_ids for h in before] == [h.video_ids for h in after]


@pytest.mark.parametrize("together", [True, False])
async def test_an_older_upload_never_overwrites_a_newer(index: VideoIndex, together: bool) -> None:
    old, new = vectors(2, seed=5)
    newer, older = video("v1", new, T0 + 1000, language="ja"), video("v1", old, T0, language="en")
    for batch in [[newer, older]] if together else [[newer], [older]]:
        await index.upsert(batch)
    (hits,) = await index.near(new[None], 1, Where(languages=("ja",)))
    assert hits.video_ids == ["v1"]
    np.testing.assert_allclose(hits.scores, [1.0], atol=1e-5)


async def test_a_newer_upload_overwrites_an_older(index: VideoIndex) -> None:
    old, new = vectors(2, seed=6)
    await index.upsert([video("v1", old, T0, language="en")])
    await index.upsert([video("v1", new, T0 + 1, language="ja")])
    (hits,) = await index.near(new[None], 5)
    np.testing.assert_allclose(hits.scores, [1.0], atol=1e-5)
    assert (await index.near(new[None], 5, Where(languages=("en",))))[0].video_ids == []


@pytest.mark.parametrize(
    ("where", "keeps"),
    [
        (Where(languages=("ja",)), lambda n: n % 2 == 1),
        (Where(categories=("food", "cats")), lambda n: n % 3 in (0, 1)),
        (Where(not_before_ms=T0 + 30 * 60_000), lambda n: n >= 30),
        (Where(exclude=frozenset(("v001", "v005", "elsewhere"))), lambda n: n not in (1, 5)),
        (
            Where(("en",), ("cats",), not_before_ms=T0 + 600_000, exclude=frozenset(("v016",))),
            lambda n: n % 2 == 0 and n % 3 == 1 and n >= 10 and n != 16,
        ),
        (Where(), lambda n: True),
    ],
)
async def test_only_what_was_asked_for_comes_back(index: VideoIndex, where: Where, keeps) -> None:  # type: ignore[no-untyped-def]
    await index.upsert(shelf())
    (hits,) = await index.near(vectors(1, seed=7), 40, where)
    assert sorted(hits.video_ids) == [f"v{n:03}" for n in range(40) if keeps(n)]


async def test_a_video_without_language_or_category_is_in_none(index: VideoIndex) -> None:
    await index.upsert([video("v1", vectors(1, seed=8)[0])])
    for where in (Where(languages=("en",)), Where(categories=("food",))):
        assert (await index.near(vectors(1, seed=8), 5, where))[0].video_ids == []


async def test_a_removed_video_does_not_come_back(index: VideoIndex) -> None:
    videos = shelf(5)
    await index.upsert(videos)
    await index.remove(["v002", "unknown"])
    await index.remove([])
    (hits,) = await index.near(videos[2].vector[None], 5)
    assert "v002" not in hits.video_ids
    assert await index.count() == 4
    await index.upsert([replace(videos[2], at_ms=T0 + 3_600_000)])
    assert (await index.near(videos[2].vector[None], 1))[0].video_ids == ["v002"]


async def test_an_empty_index_gives_empty_answers(index: VideoIndex) -> None:
    await index.upsert([])
    assert await index.count() == 0
    assert [h.video_ids for h in await index.near(vectors(2, seed=9), 3)] == [[], []]
    assert await index.near(vectors(0, seed=9).reshape(0, DIM), 3) == []


async def test_more_than_there_is_gives_all(index: VideoIndex) -> None:
    await index.upsert(shelf(4))
    (hits,) = await index.near(vectors(1, seed=10), 100)
    assert len(hits.video_ids) == len(hits.scores) == 4


async def test_a_batch_answers_like_its_queries_alone(index: VideoIndex) -> None:
    await index.upsert(shelf())
    queries = vectors(9, seed=11)
    together = await index.near(queries, 5)
    for n, hits in enumerate(together):
        (alone,) = await index.near(queries[n : n + 1], 5)
        assert alone.video_ids == hits.video_ids
        np.testing.assert_allclose(alone.scores, hits.scores, atol=1e-6)


async def test_what_goes_in_is_left_as_it_was(index: VideoIndex) -> None:
    videos, queries = shelf(6), vectors(2, seed=12) * 3
    kept = [v.vector.copy() for v in videos], queries.copy()
    for array in (*(v.vector for v in videos), queries):
        array.setflags(write=False)
    await index.upsert(videos)
    await index.near(queries, 3)
    assert all((v.vector == old).all() for v, old in zip(videos, kept[0], strict=True))
    assert (queries == kept[1]).all()


# --- the adapter and its server ------------------------------------------------------------------


@pytest.fixture
async def stub() -> AsyncIterator[QdrantStub]:
    async with running(QdrantStub()) as server:
        yield server


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
        assert judge().faults(Asked("POST", path, {}, {}, body)) != []
    assert judge().faults(Asked("POST", path, {"timeout": "1"}, {}, good)) == []
    assert judge().faults(Asked("POST", path, {"wait": "true"}, {}, good)) != []
    assert judge().faults(Asked("GET", path, {}, {}, None)) != []


async def test_payload_indexes_are_made_before_the_first_point(stub: QdrantStub, served: QdrantIndex) -> None:
    await served.upsert(shelf(3))
    assert stub.indexes == {
        name: {"data_type": "integer" if name == "at_ms" else "keyword", "points": 0}
        for name in ("at_ms", "video_id", "creator_id", "category", "language", "tags")
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
    query = vectors(1, seed=15)
    for call in (hasty.upsert(shelf(2)), hasty.near(query, 3), hasty.remove(["v1"]), hasty.count()):
        began = monotonic()
        with pytest.raises(IndexUnavailable, match=r"within 0\.45 s \(\d+ attempts"):
            await call
        assert monotonic() - began < HASTY.deadline_s + 1
    assert len(stub.asked) > 4  # tried more than once


async def test_a_wait_beyond_the_deadline_is_not_waited_for(stub: QdrantStub, hasty: QdrantIndex) -> None:
    stub.next(Answer(429, {"Retry-After": "60"}))
    began = monotonic()
    with pytest.raises(IndexUnavailable, match="retry after 60 s"):
        await hasty.upsert(shelf(1))
    assert monotonic() - began < 5


async def test_after_no_answer_the_next_query_fails_at_once(stub: QdrantStub, hasty: QdrantIndex) -> None:
    stub.always = SILENCE
    with pytest.raises(IndexUnavailable):
        await hasty.near(vectors(1, seed=16), 3)
    asked = len(stub.asked)
    with pytest.raises(IndexUnavailable, match="lately"):
        await hasty.near(vectors(1, seed=16), 3)
    assert len(stub.asked) == asked


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_a_refusal_is_not_tried_again(stub: QdrantStub, served: QdrantIndex, status: int) -> None:
    stub.always = Answer(status)
    for asked in (1, 2):  # and no later query pays for it
        with pytest.raises(IndexRefused, match=f"HTTP {status}"):
            await served.near(vectors(1, seed=17), 3)
        assert len(stub.asked) == asked


async def test_nobody_there_is_unavailable() -> None:
    async with running(QdrantStub()) as gone:
        url = gone.url
    index = QdrantIndex(connect(url), "videos", DIM, ENCODER, reading=HASTY, writing=HASTY)
    with pytest.raises(IndexUnavailable, match="check that it runs"):
        await index.start()
    await index.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://qdrant.example:6333",
        "http://10.0.0.7:6333",
        "http://127.0.0.1.example.com",
        "http://localhost.example",
    ],
)
def test_a_key_never_goes_over_plain_http_to_another_machine(url: str) -> None:
    with pytest.raises(ValueError, match="in the clear; use https") as caught:
        connect(url, api_key="s3cret")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "qdrant:6333", "ftp://qdrant", "http://", "http://127.0.0.1@qdrant.example"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is not of the form"):
        connect(url)


@pytest.mark.parametrize(
    ("url", "rest"),
    [
        ("https://qdrant.example", "https://qdrant.example:6333"),
        ("https://qdrant.example:443/base/", "https://qdrant.example:443/base"),
        ("http://127.0.0.1:7", "http://127.0.0.1:7"),
        ("http://[::1]:6333", "http://[::1]:6333"),
    ],
)
async def test_a_key_goes_over_tls_or_stays_on_this_machine(url: str, rest: str) -> None:
    client = connect(url, api_key="s3cret")
    assert client._client.rest_uri == rest  # type: ignore[attr-defined]
    await client.close()


async def test_the_key_is_sent_where_it_may_be(stub: QdrantStub) -> None:
    index = QdrantIndex(connect(stub.url, api_key="s3cret"), "videos", DIM, ENCODER)
    await index.start()
    await index.close()
    assert {asked.headers.get("api-key") for asked in stub.asked} == {"s3cret"}


async def test_a_proxy_of_the_environment_is_not_asked_about_this_machine(
    stub: QdrantStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    index = QdrantIndex(connect(stub.url), "videos", DIM, ENCODER)
    await index.start()
    await index.close()


@pytest.mark.parametrize("version", ["1.15.5", "0.11.0", "2.0.0"])
async def test_a_server_without_conditional_writes_is_refused(version: str) -> None:
    async with running(QdrantStub(version)) as old:
        index = QdrantIndex(connect(old.url), "videos", DIM, ENCODER)
        with pytest.raises(IndexRefused, match=f"Qdrant {version} does not do"):
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
    # Version and exists as they are; the collection is made, but the answer is lost.
    stub.next(*[Answer(200, after=True)] * 2, Answer(503, after=True))
    await index.start()
    await index.close()
    assert [asked.path for asked in stub.asked if asked.method == "PUT"].count("/collections/videos") == 2


async def test_each_encoder_version_has_its_own_collection(stub: QdrantStub) -> None:
    settings = Settings(qdrant_url=stub.url, qdrant_api_key=SecretStr("k"), qdrant_hnsw_ef=77)
    first, second = await open_index(settings, DIM, "fused@3"), await open_index(settings, DIM, "fused@4")
    await first.upsert(shelf(3))
    assert (await first.count(), await second.count()) == (3, 0)
    await first.near(vectors(1, seed=18), 3)
    assert stub.asked[-1].body["searches"][0]["params"]["hnsw_ef"] == 77
    await first.close()
    await second.close()
    assert collection_name("a", "x/y@1", 8) == "a-x-y-1-8"


async def test_no_url_means_no_server() -> None:
    with pytest.raises(ValueError, match="embedded index"):
        await open_index(Settings(), DIM, ENCODER)


async def test_a_vector_that_is_none_is_refused(served: QdrantIndex) -> None:
    for bad in (np.full(DIM, np.nan, np.float32), np.zeros(DIM + 1, np.float32)):
        with pytest.raises(ValueError, match="video v1: a vector of shape"):
            await served.upsert([video("v1", bad)])
        with pytest.raises(ValueError, match="finite rows of 16"):
            await served.near(bad[None], 3)
    assert await served.count() == 0


def test_point_ids_do_not_change() -> None:
    assert point_id("v7") == "c36d4172-5698-5657-88b1-d357357b30fc"
