"""Laws of video indexes: what every adapter of `VideoIndex` has to fulfil."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

import numpy as np

from ranker.catalogue.arrays import Vectors
from ranker.retrieval.index import IndexedVideo, SearchFilter, VideoIndex

DIM = 16
START_MS = 1_650_000_000_000
MINUTE_MS = 60_000


def over_an_empty_index(law: Callable[[Any, VideoIndex], Awaitable[None]]) -> Callable[["VideoIndexLaws"], None]:
    """The law as a plain method without arguments, which opens the index and closes it again."""

    def run(self: "VideoIndexLaws") -> None:
        async def check() -> None:
            async with self.open() as index:
                await law(self, index)

        asyncio.run(check())

    run.__name__, run.__doc__ = law.__name__, law.__doc__
    return run


class VideoIndexLaws:
    """The laws of a video index; its vectors have DIM dimensions."""

    def open(self) -> AbstractAsyncContextManager[VideoIndex]:
        """An empty index of DIM dimensions for the time of an `async with`."""
        raise NotImplementedError

    @over_an_empty_index
    async def test_the_nearest_come_first(self, index: VideoIndex) -> None:
        videos = shelf()
        await index.upsert(videos)
        queries = vectors(3, seed=2)
        truth = queries @ np.stack([v.vector for v in videos]).T  # [3, 40]
        for hits, scores in zip(await index.near(queries, 7), truth, strict=True):
            best = np.argsort(-scores, kind="stable")[:7]
            assert hits.video_ids == [f"v{n:03}" for n in best]
            assert hits.scores.dtype == np.float32
            np.testing.assert_allclose(hits.scores, scores[best], atol=1e-5)

    @over_an_empty_index
    async def test_equal_scores_are_ordered_by_id(self, index: VideoIndex) -> None:
        same = vectors(1, seed=3)[0]
        await index.upsert([video(name, same) for name in ("d", "b", "e", "a", "c")])
        (hits,) = await index.near(same[None], 3)
        assert hits.video_ids == ["a", "b", "c"]

    @over_an_empty_index
    async def test_an_upsert_can_be_repeated(self, index: VideoIndex) -> None:
        videos = shelf(10)
        await index.upsert(videos)
        before = await index.near(vectors(2, seed=4), 10)
        await index.upsert(videos)
        await index.upsert(videos[:3] + videos[:3])
        after = await index.near(vectors(2, seed=4), 10)
        assert await index.count() == 10
        assert [h.video_ids for h in before] == [h.video_ids for h in after]

    @over_an_empty_index
    async def test_an_older_upload_never_overwrites_a_newer_one_sent_before(self, index: VideoIndex) -> None:
        old, new = vectors(2, seed=5)
        await index.upsert([video("v1", new, START_MS + 1000, language="ja")])
        await index.upsert([video("v1", old, START_MS, language="en")])
        await assert_only(index, new, "ja")

    @over_an_empty_index
    async def test_an_older_upload_never_overwrites_a_newer_one_sent_with_it(self, index: VideoIndex) -> None:
        old, new = vectors(2, seed=5)
        newer, older = video("v1", new, START_MS + 1000, language="ja"), video("v1", old, START_MS, language="en")
        await index.upsert([newer, older])
        await assert_only(index, new, "ja")

    @over_an_empty_index
    async def test_a_newer_upload_overwrites_an_older(self, index: VideoIndex) -> None:
        old, new = vectors(2, seed=6)
        await index.upsert([video("v1", old, START_MS, language="en")])
        await index.upsert([video("v1", new, START_MS + 1, language="ja")])
        (hits,) = await index.near(new[None], 5)
        np.testing.assert_allclose(hits.scores, [1.0], atol=1e-5)
        assert (await index.near(new[None], 5, SearchFilter(languages=("en",))))[0].video_ids == []

    @over_an_empty_index
    async def test_only_what_the_filter_allows_is_found(self, index: VideoIndex) -> None:
        await index.upsert(shelf())
        everything = SearchFilter(
            ("en",), ("cats",), not_before_ms=START_MS + 10 * MINUTE_MS, exclude=frozenset(("v016",))
        )
        allowed: list[tuple[SearchFilter, Callable[[int], bool]]] = [
            (SearchFilter(languages=("ja",)), lambda n: n % 2 == 1),
            (SearchFilter(categories=("food", "cats")), lambda n: n % 3 in (0, 1)),
            (SearchFilter(not_before_ms=START_MS + 30 * MINUTE_MS), lambda n: n >= 30),
            (SearchFilter(exclude=frozenset(("v001", "v005", "elsewhere"))), lambda n: n not in (1, 5)),
            (everything, lambda n: n % 2 == 0 and n % 3 == 1 and n >= 10 and n != 16),
            (SearchFilter(), lambda n: True),
        ]
        for where, allows in allowed:
            (hits,) = await index.near(vectors(1, seed=7), 40, where)
            assert sorted(hits.video_ids) == [f"v{n:03}" for n in range(40) if allows(n)], where

    @over_an_empty_index
    async def test_a_video_without_language_or_category_is_in_none(self, index: VideoIndex) -> None:
        await index.upsert([video("v1", vectors(1, seed=8)[0])])
        for where in (SearchFilter(languages=("en",)), SearchFilter(categories=("food",))):
            assert (await index.near(vectors(1, seed=8), 5, where))[0].video_ids == []

    @over_an_empty_index
    async def test_a_removed_video_is_not_found_until_it_is_uploaded_again(self, index: VideoIndex) -> None:
        videos = shelf(5)
        await index.upsert(videos)
        await index.remove(["v002", "unknown"])
        await index.remove([])
        (hits,) = await index.near(videos[2].vector[None], 5)
        assert "v002" not in hits.video_ids
        assert await index.count() == 4
        await index.upsert([replace(videos[2], at_ms=START_MS + 60 * MINUTE_MS)])
        assert (await index.near(videos[2].vector[None], 1))[0].video_ids == ["v002"]

    @over_an_empty_index
    async def test_an_empty_index_gives_empty_answers(self, index: VideoIndex) -> None:
        await index.upsert([])
        assert await index.count() == 0
        assert [h.video_ids for h in await index.near(vectors(2, seed=9), 3)] == [[], []]
        assert await index.near(vectors(0, seed=9).reshape(0, DIM), 3) == []

    @over_an_empty_index
    async def test_more_than_there_is_gives_all(self, index: VideoIndex) -> None:
        await index.upsert(shelf(4))
        (hits,) = await index.near(vectors(1, seed=10), 100)
        assert len(hits.video_ids) == len(hits.scores) == 4

    @over_an_empty_index
    async def test_a_batch_answers_like_its_queries_alone(self, index: VideoIndex) -> None:
        await index.upsert(shelf())
        queries = vectors(9, seed=11)
        together = await index.near(queries, 5)
        for n, hits in enumerate(together):
            (alone,) = await index.near(queries[n : n + 1], 5)
            assert alone.video_ids == hits.video_ids
            np.testing.assert_allclose(alone.scores, hits.scores, atol=1e-6)

    @over_an_empty_index
    async def test_what_goes_in_is_left_as_it_was(self, index: VideoIndex) -> None:
        videos, queries = shelf(6), vectors(2, seed=12) * 3
        kept = [v.vector.copy() for v in videos], queries.copy()
        for array in (*(v.vector for v in videos), queries):
            array.setflags(write=False)
        await index.upsert(videos)
        await index.near(queries, 3)
        assert all((v.vector == old).all() for v, old in zip(videos, kept[0], strict=True))
        assert (queries == kept[1]).all()


async def assert_only(index: VideoIndex, vector: Vectors, language: str) -> None:
    """The video `v1` has this vector and this language."""
    (hits,) = await index.near(vector[None], 1, SearchFilter(languages=(language,)))
    assert hits.video_ids == ["v1"]
    np.testing.assert_allclose(hits.scores, [1.0], atol=1e-5)


def vectors(count: int, seed: int) -> Vectors:
    """Random vectors of norm 1, float32 [count, DIM]."""
    rows = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    unit: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def video(video_id: str, vector: Vectors, at_ms: int = START_MS, **more: Any) -> IndexedVideo:
    """A video with nothing but a vector, unless more is given."""
    return IndexedVideo(video_id=video_id, vector=vector, at_ms=at_ms, **more)


def shelf(count: int = 40) -> list[IndexedVideo]:
    """Videos v000.. with random vectors, three categories, two languages, a minute between uploads."""
    return [
        video(
            f"v{n:03}",
            vector,
            START_MS + n * MINUTE_MS,
            creator_id=f"c{n % 5}",
            category=("food", "cats", "travel")[n % 3],
            language=("en", "ja")[n % 2],
            tags=(f"t{n % 4}",),
        )
        for n, vector in enumerate(vectors(count, seed=1))
    ]
