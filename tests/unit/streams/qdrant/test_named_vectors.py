"""Vectors per modality beside the retrieval vector in Qdrant: stored, found by each name, never of two versions."""

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from qdrant_client import AsyncQdrantClient, models

from encoders.base import unit_rows
from encoders.fusion.embeddings import DIM, RETRIEVAL
from encoders.fusion.fusion import version_of
from encoders.fusion.projection import RETRIEVAL_DIM
from encoders.fusion.weighted import Weighted
from encoders.modalities import audio, image, text
from encoders.models.manifest import MODELS
from ranker.library.by_words import merged, near_words
from ranker.library.library import Hit, VideoLibrary
from ranker.retrieval.index import IndexRefused, IndexUnavailable, SearchFilter
from schemas.messages.vectors import encode_vector
from schemas.messages.videos import Encoded
from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.indexing.step import IndexStep, to_indexed_video
from streams.operations.search import similar_in
from streams.qdrant.client import connect
from streams.qdrant.index import QdrantIndex, index_of, open_index
from tests.support.events import NOON, withdrawn
from tests.support.models import built_in
from tests.support.qdrant_stub import LOCAL_MODE, QdrantStub

pytestmark = LOCAL_MODE

BUILT_IN = built_in()
MODALITIES = BUILT_IN.stored
VERSIONS = {one.name: one.version for one in BUILT_IN} | {one.name: one.version for one in BUILT_IN.described}
NAMES = (*MODALITIES, RETRIEVAL)


def fusion(seed: int, name: str) -> Weighted:
    rng = np.random.default_rng(seed)
    maps = {of: rng.standard_normal((dim, RETRIEVAL_DIM)).astype(np.float32) for of, dim in BUILT_IN.dims.items()}
    return Weighted(maps, name)


NOW = fusion(1, "now")


def described(number: int, *, has: tuple[str, ...] = tuple(MODALITIES), models: str = MODELS, **more: Any) -> Encoded:
    rng = np.random.default_rng(number)
    rows = {name: unit_rows(rng.standard_normal((1, MODALITIES[name])).astype(np.float32)) for name in has}
    made = {
        name: encode_vector(f"{name}@{VERSIONS[name].replace(MODELS, models)}", row[0]) for name, row in rows.items()
    }
    made[RETRIEVAL] = encode_vector(version_of(NOW.version), NOW(rows)[0])
    about = {"title": f"Title {number}", "language": ("en", "de")[number % 2], "labels": {"topic:food": 0.5}}
    vectors = {name: of for name, of in made.items() if of}
    return Encoded(video_id=f"v{number}", at_ms=NOON + number, vectors=vectors, **(about | more))


def some() -> VideoLibrary:
    """Twelve videos: the ones from 8 on have a text alone."""
    gallery = VideoLibrary()
    gallery.take(described(n, has=tuple(MODALITIES) if n < 8 else ("text",), tags=["a"]) for n in range(12))
    return gallery


@pytest.fixture(params=["local", "server"])
async def index(request: pytest.FixtureRequest, stub: QdrantStub) -> AsyncIterator[QdrantIndex]:
    client = AsyncQdrantClient(":memory:") if request.param == "local" else connect(stub.url)
    made = QdrantIndex(client, "videos", DIM, version_of("now"), modalities=MODALITIES)
    await made.start()
    yield made
    await made.close()


async def fill(index: QdrantIndex, gallery: VideoLibrary) -> None:
    await index.write(IndexStep(NOW, BUILT_IN).changes([*gallery.videos.values(), *gallery.withdrawn.values()]))


async def put(index: QdrantIndex, *videos: Encoded) -> None:
    await index.upsert([found for video in videos if (found := to_indexed_video(video, BUILT_IN))])


def told(hits: list[Hit]) -> list[tuple[Encoded, float]]:
    return [(replace(hit.video, vectors={}), round(hit.score, 4)) for hit in hits]


def test_the_dimensions_are_those_of_the_encoders() -> None:
    encoders = {"text": text.DIM, "image": image.DIM, "audio": audio.DIM}
    assert encoders | {"image_text": text.DIM, "audio_text": text.DIM} == MODALITIES


@pytest.mark.parametrize("name", NAMES)
async def test_each_name_finds_what_the_exact_gallery_finds(index: QdrantIndex, name: str) -> None:
    gallery = some()
    await fill(index, gallery)
    for where in (SearchFilter(), SearchFilter(languages=("de",)), SearchFilter(exclude=frozenset({"v1"}))):
        assert told(await similar_in(index, "v3", name, 5, where)) == told(gallery.similar("v3", name, 5, where))
    words = unit_rows(np.random.default_rng(99).standard_normal((1, MODALITIES.get(name, DIM))).astype(np.float32))[0]
    assert told(await index.find(words, 20, name=name)) == told(gallery.near(words, name, 20))


async def test_words_find_what_they_find_in_the_exact_gallery_by_any_vector_of_a_video(index: QdrantIndex) -> None:
    gallery, scales = some(), BUILT_IN.met_by_words
    await fill(index, gallery)
    for seed in range(5):
        words = unit_rows(np.random.default_rng(seed).standard_normal((1, text.DIM)).astype(np.float32))[0]
        for where in (SearchFilter(), SearchFilter(languages=("de",))):
            found = merged(await index.find_by_each(words, 6, where, [*scales]), scales, 6)
            assert told(found) == told(exact := near_words(gallery, words, scales, 6, where))
            assert [hit.by for hit in found] == [hit.by for hit in exact]
        assert {hit.by for hit in found} > {"image_text"} or len({hit.by for hit in found}) > 1


async def test_a_missing_modality_is_absent_and_the_video_is_found_by_the_others(index: QdrantIndex) -> None:
    await put(index, described(1), described(2, has=("text",)))
    kept = await index.vectors_of("v2")
    assert kept is not None and kept.keys() == {"text", RETRIEVAL}
    query = np.ones(MODALITIES["audio"], np.float32)
    assert [hit.video.video_id for hit in await index.find(query, 5, name="audio")] == ["v1"]
    with pytest.raises(OperatorError, match="'v2' has no audio vector of the present models; it has: fused, text"):
        await similar_in(index, "v2", "audio", 5, SearchFilter())
    with pytest.raises(IndexUnavailable, match="does not hold 'v3'"):
        await similar_in(index, "v3", "text", 5, SearchFilter())


async def test_a_later_upload_without_sound_has_none_any_more(index: QdrantIndex) -> None:
    await put(index, described(1))
    await put(index, replace(described(1, has=("text", "image")), at_ms=NOON + 9))
    kept = await index.vectors_of("v1")
    assert kept is not None and kept.keys() == {"text", "image", RETRIEVAL}


async def test_vectors_of_earlier_models_and_broken_ones_are_not_stored(index: QdrantIndex) -> None:
    old, broken = described(1, models="0123456789abcdef"), described(2)
    short = encode_vector(f"image@int8-{MODELS}", np.ones(7, np.float32))
    nan = encode_vector(f"audio@fp32-{MODELS}", np.full(MODALITIES["audio"], np.nan, np.float32))
    assert short and nan
    await put(index, old, replace(broken, vectors=broken.vectors | {"image": short, "audio": nan}))
    first, second = await index.vectors_of("v1"), await index.vectors_of("v2")
    assert first is not None and first.keys() == {RETRIEVAL}
    assert second is not None and second.keys() == {"text", "image_text", "audio_text", RETRIEVAL}


async def test_rebuilding_fills_the_modalities_too_and_takes_out_what_was_withdrawn(index: QdrantIndex) -> None:
    gallery = some()
    await fill(index, gallery)
    assert {name for n in range(8) for name in await index.vectors_of(f"v{n}") or ()} == set(NAMES)
    gallery.take([withdrawn("v3", NOON + 99)])
    await fill(index, gallery)
    assert await index.count() == 11 and await index.vectors_of("v3") is None


async def test_the_agents_compare_by_the_retrieval_vector_and_the_rest_lies_on_disk(stub: QdrantStub) -> None:
    index = await open_index(Settings(qdrant_url=stub.url), DIM, version_of("now"))
    await put(index, described(1))
    await index.near(np.ones((1, DIM), np.float32), 3)
    [search] = stub.asked[-1].body["searches"]
    assert search["using"] == RETRIEVAL and search["with_payload"] == ["video_id"]
    [made] = [one.body["vectors"] for one in stub.asked if one.body and "vectors" in one.body]
    assert made == {
        RETRIEVAL: {"size": 256, "distance": "Cosine"},
        **{
            name: {"size": dim, "distance": "Cosine", "on_disk": True, "hnsw_config": {"on_disk": True}}
            for name, dim in MODALITIES.items()
        },
    }
    await index.close()


async def test_a_collection_of_one_vector_without_a_name_is_left_and_a_new_one_is_made(stub: QdrantStub) -> None:
    settings, old = Settings(qdrant_url=stub.url), AsyncQdrantClient(url=stub.url, check_compatibility=False)
    unnamed = models.VectorParams(size=DIM, distance=models.Distance.COSINE)
    await old.create_collection("freshet.videos-fused-3-256", unnamed)
    index = await open_index(settings, DIM, "fused@3")
    assert await index.count() == 0 and (await old.count("freshet.videos-fused-3-256")).count == 0
    await index.collection.take_alias("freshet.videos")
    assert (await stub.aliases())["freshet.videos"] == "freshet.videos-fused-3-256-layout4-1"
    await index.close()
    same = QdrantIndex(connect(stub.url), "freshet.videos-fused-3-256", DIM, "fused@3", modalities=MODALITIES)
    with pytest.raises(IndexRefused, match="holds unnamed 256-d Cosine vectors of fused@3, but"):
        await same.start()
    await same.close()
    await old.close()


async def test_what_cannot_answer_is_told_with_what_to_do(stub: QdrantStub) -> None:
    settings = Settings(qdrant_url=stub.url)
    nobody = index_of(settings, DIM, "fused@3")
    for _ in ("not there", "empty"):
        with pytest.raises(
            IndexUnavailable, match=r"no videos in freshet\.videos-fused-3-256-layout4: `freshet worker indexer`"
        ):
            await nobody.shortfall(4)
        made = await open_index(settings, DIM, "fused@3")
        await made.close()
    await put(nobody, described(1))
    await nobody.shortfall(4)
    await nobody.close()
