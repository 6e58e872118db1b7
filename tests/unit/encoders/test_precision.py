"""The precision of pictures: one setting, which reaches whoever makes, compares or stores vectors."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from encoders.base import Precision
from encoders.embedder import VideoEmbedder
from encoders.fusion.embeddings import RETRIEVAL, fusion_of, with_fusion_version
from encoders.fusion.fusion import version_of
from encoders.models.manifest import MODELS
from ranker.catalogue.catalogue import Catalogue
from schemas.messages.vectors import decode_vector, encode_vector
from schemas.messages.videos import Encoded, encode
from schemas.settings.model import Settings
from schemas.topics import FEATURES
from streams.errors import OperatorError
from streams.kafka.records import Record
from streams.operations import rebuild as rebuilding
from streams.qdrant.index import open_index
from streams.ranking.shared_state import SharedState
from tests.support.events import NOON
from tests.support.models import built_in, real_models
from tests.support.qdrant_stub import QdrantStub, aside


def settings_of(precision: str, **more: object) -> Settings:
    return Settings.model_validate({"cache_dir": real_models().parents[1], "image_precision": precision, **more})


def described(precision: Precision, models: str = MODELS) -> Encoded:
    """A video with text and pictures, its retrieval vector of another version."""
    rng = np.random.default_rng(0)
    of_two = [one for one in built_in(precision=precision) if one.name in ("text", "image")]
    made = {
        one.name: encode_vector(
            f"{one.name}@{one.version.replace(MODELS, models)}", rng.standard_normal(one.dim).astype(np.float32)
        )
        for one in of_two
    }
    made[RETRIEVAL] = encode_vector("other@1", np.ones(256, np.float32))
    return Encoded(video_id="v1", at_ms=NOON, vectors={name: one for name, one in made.items() if one})


@pytest.mark.parametrize(("precision", "version"), [("int8", "mean"), ("fp32", "mean-fp32")])
@pytest.mark.parametrize("replaying", [False, True])
def test_what_describes_videos_names_its_pictures_and_its_fusion(precision: str, version: str, replaying: bool) -> None:
    embedder = VideoEmbedder.of(settings_of(precision, provider="cpu"), replaying=replaying)
    assert embedder.encoders["image"].version == f"{precision}-{MODELS}" and embedder.version == version_of(version)


@pytest.mark.parametrize(("precision", "other"), [("int8", "fp32"), ("fp32", "int8")])
def test_the_catalogue_counts_pictures_of_the_precision_that_is_set_alone(
    precision: Precision, other: Precision
) -> None:
    settings = settings_of(precision)
    fusion = fusion_of(settings)
    shared = SharedState(settings, Catalogue(encoder=version_of(fusion.version)), fusion)
    mine, theirs = (shared._with_fusion_version(described(of)) for of in (precision, other))
    assert isinstance(mine, Encoded) and isinstance(theirs, Encoded)
    assert mine.vectors[RETRIEVAL].encoder == theirs.vectors[RETRIEVAL].encoder == version_of(fusion.version)
    one, without = (decode_vector(of.vectors[RETRIEVAL]) for of in (mine, theirs))
    assert one is not None and without is not None and float(one @ without) < 0.95  # for the picture is missing


def topic_holds(monkeypatch: pytest.MonkeyPatch, *descriptions: Encoded) -> None:
    """Have a rebuild read these from features.v1."""
    records = [Record(FEATURES.name, 0, n, one.at_ms, b"", encode(one)) for n, one in enumerate(descriptions)]

    async def bounds(*_: object) -> dict[int, tuple[int, int]]:
        return {0: (0, len(records))}

    async def read(*_: object) -> AsyncIterator[list[Record]]:
        yield records

    for name, instead in {
        "wait_for_authenticated_broker": lambda *_: None,
        "required_partitions": bounds,
        "all_bounds": bounds,
        "topic_id": lambda *_: "a topic",
        "read_from": read,
    }.items():
        monkeypatch.setattr(rebuilding, name, instead)


@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_rebuilding_keeps_pictures_of_the_precision_that_is_set_alone(
    precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    of: Precision
    for of, kept in (("int8", precision == "int8"), ("fp32", precision == "fp32")):
        with aside(QdrantStub()) as stub:
            settings = settings_of(precision, qdrant_url=stub.url)
            topic_holds(monkeypatch, described(of))
            assert rebuilding.rebuild(settings, print, lambda *_: None) == 1
            aliases = asyncio.run(stub.aliases())
            version, name = max(aliases.items())
            assert version.endswith(f"mean{'' if precision == 'int8' else '-fp32'}-256-layout4")
            assert aliases == {version: name, "freshet.videos": name}
            assert ("image" in vectors_in(settings)) == kept


def vectors_in(settings: Settings) -> set[str]:
    async def names() -> set[str]:
        index = await open_index(settings, 256, version_of(fusion_of(settings).version))
        try:
            return set(await index.vectors_of("v1") or ())
        finally:
            await index.close()

    return asyncio.run(names())


def test_rebuilding_leaves_the_alias_where_the_present_models_have_described_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with aside(QdrantStub()) as stub:
        settings = settings_of("int8", qdrant_url=stub.url)
        topic_holds(monkeypatch, described("int8", models="0123456789abcdef"))
        with pytest.raises(OperatorError, match="holds no video with vectors of the present models") as trouble:
            rebuilding.rebuild(settings, print, lambda *_: None)
        assert "freshet backfill" in trouble.value.remedy and not asyncio.run(stub.aliases())


def test_a_video_of_other_models_is_left_as_it_is() -> None:
    video = described("int8", models="0123456789abcdef")
    assert with_fusion_version(video, fusion_of(settings_of("int8")), built_in()) is video
