"""A version of vectors for another: made of what features.v1 holds, and never mixed."""

import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient

from encoders.base import unit_rows
from encoders.fusion.embeddings import RETRIEVAL, with_fusion_version
from encoders.fusion.fusion import load_fusion, version_of
from encoders.fusion.projection import RETRIEVAL_DIM
from encoders.fusion.weighted import Weighted
from encoders.models.manifest import MODELS
from ranker.catalogue.catalogue import Catalogue
from ranker.library.library import VideoLibrary
from schemas.messages.vectors import decode_vector, encode_vector
from schemas.messages.videos import Encoded
from streams.indexing.step import IndexStep
from streams.operations.snapshot import outdated_notice, with_current_vectors
from streams.qdrant.index import QdrantIndex
from tests.support.events import NOON, encoded, withdrawn
from tests.support.models import built_in, real_models
from tests.support.qdrant_stub import LOCAL_MODE

pytestmark = LOCAL_MODE

DIMS = {one.name: one.dim for one in built_in()}
INT8, FP32 = built_in(), built_in(precision="fp32")
VERSIONS = {one.name: one.version for one in INT8}


def fusion(seed: int, name: str) -> Weighted:
    rng = np.random.default_rng(seed)
    maps = {of: rng.standard_normal((dim, RETRIEVAL_DIM)).astype(np.float32) for of, dim in DIMS.items()}
    return Weighted(maps, name)


OLD, NEW = fusion(1, "old"), fusion(2, "new")


def described(video_id: str, *, by: Weighted = OLD, models: str = MODELS, at_ms: int = NOON) -> Encoded:
    rng = np.random.default_rng(len(video_id))
    rows = {name: unit_rows(rng.standard_normal((1, dim)).astype(np.float32)) for name, dim in DIMS.items()}
    vectors = {
        name: encode_vector(f"{name}@{VERSIONS[name].replace(MODELS, models)}", of[0]) for name, of in rows.items()
    }
    vectors[RETRIEVAL] = encode_vector(version_of(by.version), by(rows)[0])
    return Encoded(video_id=video_id, at_ms=at_ms, vectors={name: of for name, of in vectors.items() if of})


def test_a_vector_of_another_fusion_is_made_anew_of_the_modalities() -> None:
    video = described("v1")
    assert with_fusion_version(video, OLD, INT8) is video
    made = with_fusion_version(video, NEW, INT8)
    assert made.vectors[RETRIEVAL].encoder == version_of("new")
    rows = {name: decode_vector(video.vectors[name]) for name in DIMS}
    expected = NEW({name: row[None] for name, row in rows.items() if row is not None})[0]
    assert (decode_vector(made.vectors[RETRIEVAL]) == expected).all()


def test_what_other_models_made_is_left_as_it_is() -> None:
    video = described("v1", models="0123456789abcdef")
    assert with_fusion_version(video, NEW, INT8) is video


def test_a_catalogue_of_one_version_takes_no_vector_of_another() -> None:
    catalogue = Catalogue(encoder=version_of("new"))
    catalogue.apply([described("v1", by=OLD), described("v22", by=NEW)])
    assert catalogue.has_vector[catalogue.rows(["v1", "v22"])].tolist() == [False, True]


async def test_an_index_is_filled_with_one_version_alone() -> None:
    index = QdrantIndex(AsyncQdrantClient(":memory:"), "videos", RETRIEVAL_DIM, "new", modalities=DIMS)
    await index.start()
    step, by_old = IndexStep(NEW, INT8), described("a")
    await index.write(step.changes([by_old, described("bb", by=NEW), described("ccc", models="other")]))
    assert await index.count() == 2 and step.missing == 1
    wanted = decode_vector(with_fusion_version(by_old, NEW, INT8).vectors[RETRIEVAL])
    assert wanted is not None
    [hits] = await index.near(wanted[None], 1)
    assert hits.video_ids == ["a"] and hits.scores[0] == pytest.approx(1.0)
    await index.close()


def test_a_video_without_any_vector_stays_without() -> None:
    bare = encoded("v1")
    assert with_fusion_version(Encoded(video_id=bare.video_id, at_ms=NOON), NEW, INT8).vectors == {}


def test_pictures_of_another_precision_are_not_of_this_version() -> None:
    video = described("v1")
    assert load_fusion(built_in(real_models(), "fp32")).version == "mean-fp32"
    fp32 = with_fusion_version(video, NEW, FP32)
    rows = {name: decode_vector(video.vectors[name]) for name in ("text", "audio")}
    without = {name: row[None] for name, row in rows.items() if row is not None}
    assert (decode_vector(fp32.vectors[RETRIEVAL]) == NEW(without)[0]).all()
    assert FP32.is_current("text", video.vectors["text"].encoder)
    assert not FP32.is_current("image", video.vectors["image"].encoder)


def test_questions_are_answered_by_vectors_of_the_present_version_alone() -> None:
    video = described("v1")
    made = with_current_vectors(video, NEW, INT8)
    assert made == with_fusion_version(video, NEW, INT8) and with_current_vectors(made, NEW, INT8) is made
    assert with_current_vectors(described("v1", by=NEW, models="0123456789abcdef"), OLD, INT8).vectors == {}
    fp32 = with_current_vectors(video, NEW, FP32)
    assert sorted(fp32.vectors) == ["audio", "retrieval", "text"]
    assert fp32.vectors[RETRIEVAL] == with_fusion_version(video, NEW, FP32).vectors[RETRIEVAL]


def test_videos_that_other_models_described_are_counted() -> None:
    gallery = VideoLibrary()
    gallery.take([described("a"), described("bb", by=NEW), described("ccc", models="0123456789abcdef")])
    assert outdated_notice(gallery, INT8).startswith("1 of 3 videos have vectors of other models")
    assert outdated_notice(gallery, FP32).startswith("3 of 3 ")
    gallery.take([withdrawn("ccc", NOON + 1)])
    assert outdated_notice(gallery, INT8).startswith("2 of 2 are not found by words for what they show")
    assert outdated_notice(VideoLibrary(), INT8) == ""
