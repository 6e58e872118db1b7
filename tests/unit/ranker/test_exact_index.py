"""The exact index and the neighbour cache: same bits alone, in a batch, after growth and after a rebuild."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ranker.catalogue.catalogue import Catalogue
from ranker.catalogue.entry import Entry
from ranker.retrieval.exact import ExactIndex, products
from ranker.retrieval.index import IndexedVideo, SearchFilter
from ranker.retrieval.neighbour_cache import NeighbourCache

NOON = 1_650_000_000_000


def vectors(count: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((count, 256)).astype(np.float32)


def entries(count: int, seed: int = 0, start: int = 0) -> list[Entry]:
    made = vectors(start + count, seed)[start:]
    return [Entry(f"v{start + i}", NOON + i, vector, f"c{i % 7}") for i, vector in enumerate(made)]


def filled(count: int) -> Catalogue:
    catalogue = Catalogue()
    catalogue.add(entries(count))
    return catalogue


async def test_a_query_has_the_same_bits_alone_and_at_any_place_of_a_batch_of_500() -> None:
    catalogue = filled(2_500)
    index = ExactIndex(catalogue)
    queries = catalogue.vectors[:500]
    together = await index.near(queries, 20)
    moved = await index.near(np.roll(queries, 3, axis=0), 20)
    for i in range(0, 500, 61):
        (alone,) = await index.near(queries[i : i + 1], 20)
        for other in (together[i], moved[(i + 3) % 500]):
            assert other.video_ids == alone.video_ids
            assert other.scores.tobytes() == alone.scores.tobytes()


async def test_a_catalogue_that_was_built_in_another_order_gives_the_same_bits() -> None:
    one, other = filled(3_000), Catalogue()
    other.add(reversed(entries(3_000)))
    queries = vectors(20, seed=5)
    for a, b in zip(await ExactIndex(one).near(queries, 50), await ExactIndex(other).near(queries, 50), strict=True):
        assert a.video_ids == b.video_ids
        assert a.scores.tobytes() == b.scores.tobytes()


async def test_it_finds_what_sorting_all_products_finds() -> None:
    catalogue = filled(4_000)
    queries = vectors(9, seed=6)
    for query, hits in zip(queries, await ExactIndex(catalogue).near(queries, 33), strict=True):
        truth = catalogue.vectors[:4_000].astype(np.float64) @ query.astype(np.float64)
        best = np.argsort(-truth)[:33]
        assert hits.video_ids == [catalogue.ids[row] for row in best]
        np.testing.assert_allclose(hits.scores, truth[best], atol=1e-4)


async def test_equal_videos_come_in_the_order_of_their_ids() -> None:
    catalogue = Catalogue()
    same = vectors(1)[0]
    catalogue.add(Entry(name, NOON, same) for name in ("b", "d", "a", "c"))
    catalogue.add(entries(400, seed=9))
    (hits,) = await ExactIndex(catalogue).near(same[None], 3)
    assert hits.video_ids == ["a", "b", "c"]


async def test_there_are_fewer_hits_than_asked_for_when_there_are_fewer_videos() -> None:
    index = ExactIndex()
    assert (await index.near(vectors(2), 5))[1].video_ids == []
    index.catalogue.add([*entries(3), Entry("blind", NOON)])
    assert sorted((await index.near(vectors(1), 5))[0].video_ids) == ["v0", "v1", "v2"]
    assert await index.count() == 3


async def test_where_narrows_what_is_found() -> None:
    index = ExactIndex()
    made = vectors(4)
    await index.upsert(
        [
            IndexedVideo("old", made[0], NOON - 10, category="food", language="en"),
            IndexedVideo("de", made[1], NOON, category="food", language="de"),
            IndexedVideo("en", made[2], NOON, category="food", language="en"),
            IndexedVideo("sport", made[3], NOON, category="sport", language="en"),
        ]
    )

    async def found(where: SearchFilter) -> list[str]:
        return sorted((await index.near(made[:1], 9, where))[0].video_ids)

    assert await found(SearchFilter(languages=("en",))) == ["en", "old", "sport"]
    assert await found(SearchFilter(categories=("food",), not_before_ms=NOON)) == ["de", "en"]
    assert await found(SearchFilter(exclude=frozenset({"old", "de", "unknown"}))) == ["en", "sport"]
    assert await found(SearchFilter(languages=("fr",))) == []


async def test_an_older_upsert_changes_nothing_and_a_removed_video_can_come_back() -> None:
    index = ExactIndex()
    old, new = vectors(2)
    await index.upsert([IndexedVideo("v", new, NOON)])
    await index.upsert([IndexedVideo("v", old, NOON - 1)])
    assert (await index.near(new[None], 1))[0].scores[0] > 10
    await index.remove(["v", "unknown"])
    assert await index.count() == 0
    await index.upsert([IndexedVideo("v", old, NOON - 1)])
    assert (await index.near(old[None], 1))[0].video_ids == ["v"]


async def test_a_vector_of_another_length_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"upsert of 'v': the vector has shape \(3,\)"):
        await ExactIndex().upsert([IndexedVideo("v", np.ones(3, np.float32), NOON)])


def test_a_product_does_not_depend_on_the_tiles_around_it() -> None:
    made = np.zeros((2_048, 256), np.float32)
    made[:2_000] = vectors(2_000)
    whole = products(made[:8], made, 0, 2_000)
    part = products(made[3:4], made, 700, 900)  # tiles 2 and 3
    assert part[0].tobytes() == whole[3, 512:1024].tobytes()


async def test_cached_neighbours_have_the_bits_of_a_new_search_as_the_catalogue_grows_and_shrinks() -> None:
    catalogue = filled(1_000)
    warm = NeighbourCache(ExactIndex(catalogue), catalogue, k=10)
    asked = np.arange(60, dtype=np.int32)
    for step in range(6):
        if step:
            catalogue.add(entries(300, seed=0, start=1_000 + 300 * (step - 1)))
            catalogue.drop(f"v{i}" for i in range(60 + 10 * step, 70 + 10 * step))
        cold = NeighbourCache(ExactIndex(catalogue), catalogue, k=10)
        assert (await warm.find(asked)).tolist() == (await cold.find(asked)).tolist()
        for row in asked:
            warm_slot, cold_slot = warm.slot_of[row], cold.slot_of[row]
            assert warm.scores[warm_slot].tobytes() == cold.scores[cold_slot].tobytes()


async def test_a_full_cache_overwrites_the_oldest_and_still_answers() -> None:
    catalogue = filled(100)
    small = NeighbourCache(ExactIndex(catalogue), catalogue, k=5, capacity=4)
    asked = np.arange(10, dtype=np.int32)
    assert (await small.find(asked)).tolist() == (
        await NeighbourCache(small.index, catalogue, k=5).find(asked)
    ).tolist()
    assert np.flatnonzero(small.known(asked)[1]).tolist() == [6, 7, 8, 9]
    await small.find(np.array([0, 7], np.int32))
    assert np.flatnonzero(small.known(asked)[1]).tolist() == [0, 7, 8, 9]
    assert (small.video >= 0).sum() == 4


async def test_a_search_for_one_video_prefetches_others_with_the_same_bits() -> None:
    catalogue = filled(600)
    catalogue.drop(["v1"])
    warm, cold = (NeighbourCache(ExactIndex(catalogue), catalogue, k=5) for _ in range(2))
    everything = np.arange(600, dtype=np.int32)
    await warm.find(everything[10:11])
    assert np.flatnonzero(warm.known(everything)[1]).tolist() == [0, *range(2, 8), 10]
    for row in range(599, 500, -1):  # each finds seven of the first ones too
        await warm.find(everything[row : row + 1])
    assert warm.known(everything)[1].sum() == 599
    alive = np.delete(everything, 1)
    assert (await warm.find(alive)).tolist() == (await cold.find(alive)).tolist()
