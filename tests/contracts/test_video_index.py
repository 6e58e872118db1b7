"""The laws of every video index, over the exact one and over Qdrant's adapter, local and through a server."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient

from ranker.catalogue.catalogue import Catalogue
from ranker.retrieval.exact import ExactIndex
from ranker.retrieval.index import SearchFilter, VideoIndex
from streams.qdrant.client import connect
from streams.qdrant.index import QdrantIndex
from tests.support.indexed_videos import DIM, ENCODER, OPENAPI, T0, assert_published, shelf, vectors, video
from tests.support.qdrant_stub import QdrantStub, running

pytestmark = [
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact"),
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
    (hits,) = await index.near(new[None], 1, SearchFilter(languages=("ja",)))
    assert hits.video_ids == ["v1"]
    np.testing.assert_allclose(hits.scores, [1.0], atol=1e-5)


async def test_a_newer_upload_overwrites_an_older(index: VideoIndex) -> None:
    old, new = vectors(2, seed=6)
    await index.upsert([video("v1", old, T0, language="en")])
    await index.upsert([video("v1", new, T0 + 1, language="ja")])
    (hits,) = await index.near(new[None], 5)
    np.testing.assert_allclose(hits.scores, [1.0], atol=1e-5)
    assert (await index.near(new[None], 5, SearchFilter(languages=("en",))))[0].video_ids == []


@pytest.mark.parametrize(
    ("where", "keeps"),
    [
        (SearchFilter(languages=("ja",)), lambda n: n % 2 == 1),
        (SearchFilter(categories=("food", "cats")), lambda n: n % 3 in (0, 1)),
        (SearchFilter(not_before_ms=T0 + 30 * 60_000), lambda n: n >= 30),
        (SearchFilter(exclude=frozenset(("v001", "v005", "elsewhere"))), lambda n: n not in (1, 5)),
        (
            SearchFilter(("en",), ("cats",), not_before_ms=T0 + 600_000, exclude=frozenset(("v016",))),
            lambda n: n % 2 == 0 and n % 3 == 1 and n >= 10 and n != 16,
        ),
        (SearchFilter(), lambda n: True),
    ],
)
async def test_only_what_was_asked_for_comes_back(
    index: VideoIndex, where: SearchFilter, keeps: Callable[[int], bool]
) -> None:
    await index.upsert(shelf())
    (hits,) = await index.near(vectors(1, seed=7), 40, where)
    assert sorted(hits.video_ids) == [f"v{n:03}" for n in range(40) if keeps(n)]


async def test_a_video_without_language_or_category_is_in_none(index: VideoIndex) -> None:
    await index.upsert([video("v1", vectors(1, seed=8)[0])])
    for where in (SearchFilter(languages=("en",)), SearchFilter(categories=("food",))):
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
