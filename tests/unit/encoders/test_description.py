"""What a classifier sees, in the space of a text's vectors: one vector a video, by the names of its labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from encoders.annotate.description import Describer, describer_of
from encoders.base import LABELS, Content, Vectors, unit_rows
from encoders.embedder import VideoEmbedder, describers_of
from encoders.fusion.embeddings import RETRIEVAL, with_fusion_version
from encoders.fusion.weighted import with_stand_in
from encoders.modalities.modality import Description, Modality, ModalitySet
from encoders.modalities.opened import OpenedEncoders
from encoders.models.manifest import SPEECH_FOLDER, has_speech
from schemas.messages.vectors import decode_vector
from schemas.messages.videos import Encoded
from tests.support.brokers import CACHE
from tests.support.events import uploaded
from tests.support.models import built_in, chirp, made_up_frames, real_embedder, with_one_file_changed

NAMES = ("cat", "dog", "car")


class Letters:
    """Words to the counts of four of their letters; how often it was asked is counted."""

    name, version, dim = "letters", "1", 4

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, batch: Sequence[str | None]) -> Vectors:
        self.asked += [text or "" for text in batch]
        return unit_rows(
            np.array([[(text or "").count(one) for one in "acdg"] for text in batch], np.float32).reshape(-1, 4)
        )


def describer(cache: Path | None = None, most: int = 2) -> tuple[Describer, Letters]:
    encoder = Letters()
    return describer_of(Description("a {}", most), NAMES, encoder, "seen-in-letters@1", cache), encoder


def shares(*row: float) -> Vectors:
    return np.array([row], np.float32)


def test_it_is_the_mean_of_the_likeliest_labels_weighted_by_the_roots_of_their_shares() -> None:
    made, _ = describer()
    rows = Letters().encode([f"a {name}" for name in NAMES])
    rows -= rows.mean(axis=0)
    expected = unit_rows((np.sqrt(0.5) * rows[1] + np.sqrt(0.4) * rows[0])[None])
    np.testing.assert_allclose(made(shares(0.4, 0.5, 0.1)), expected, atol=1e-6)


def test_what_has_no_label_gets_a_zero_row_and_no_row_depends_on_its_batch() -> None:
    made, _ = describer()
    batch = np.array([[0.4, 0.5, 0.1], [0, 0, 0], [0.1, 0.2, 0.7]], np.float32)
    together = made(batch)
    assert not together[1].any() and together.dtype == np.float32
    for row in range(3):
        assert together[row].tobytes() == made(batch[row : row + 1])[0].tobytes()
    assert made(np.zeros((0, 3), np.float32)).shape == (0, 4)


def test_the_labels_are_encoded_once_and_then_read(tmp_path: Path) -> None:
    first, encoder = describer(tmp_path)
    assert encoder.asked == ["a cat", "a dog", "a car"]
    second, encoder = describer(tmp_path)
    assert encoder.asked == []
    assert first.labels.tobytes() == second.labels.tobytes()
    (file,) = tmp_path.iterdir()
    file.write_bytes(b"damaged")
    third, encoder = describer(tmp_path)
    assert len(encoder.asked) == 3 and third.labels.tobytes() == first.labels.tobytes()


def test_a_set_of_modalities_knows_what_is_described_and_by_which_models() -> None:
    minilm, e5 = built_in(), built_in(text_model="e5")
    assert {one.name for one in minilm.described} == {"image_text", "audio_text"}
    assert minilm.stored == {**minilm.dims, "image_text": 384, "audio_text": 384}
    assert list(minilm.met_by_words) == ["text", "image_text", "audio_text"]
    for one, other in zip(minilm.described, e5.described, strict=True):
        assert minilm.is_current(one.name, f"any@{one.version}") and minilm.is_outdated(
            one.name, f"any@{other.version}"
        )
    fp32 = built_in(precision="fp32")
    assert fp32.is_outdated("image_text", f"any@{minilm.described[0].version}")
    assert fp32.is_current("audio_text", f"any@{minilm.described[1].version}")


def test_what_decides_about_labels_beside_their_encoder_is_in_the_version() -> None:
    _, heard = built_in().described
    assert heard.how.beside == SPEECH_FOLDER
    assert heard.version != heard._replace(how=heard.how._replace(beside="")).version


def test_where_the_speech_detector_is_missing_sound_is_not_described(models: Path, tmp_path: Path) -> None:
    """So that one version of such vectors stands for one thing, whoever has the detector."""
    if not has_speech(models):
        pytest.skip("the speech detector is not there: run `freshet export`")
    without = with_one_file_changed(models, tmp_path / "models", SPEECH_FOLDER, None)
    for folder, expected in ((models, {"image", "audio"}), (without, {"image"})):
        modalities = built_in(folder)
        described = describers_of(modalities, OpenedEncoders(modalities), CACHE.settings.cache_dir / LABELS)
        assert described.keys() == expected
        assert modalities.described[1].version == built_in().described[1].version


def test_without_a_modality_that_reads_words_nothing_is_described() -> None:
    image = next(one for one in built_in() if one.name == "image")
    alone = ModalitySet((image,))
    assert alone.described == () and alone.met_by_words == {} and alone.stored == alone.dims


def test_a_modality_that_gives_no_labels_is_not_described() -> None:
    text = next(one for one in built_in() if one.name == "text")
    own: Modality[str] = Modality(
        name="own", dim=4, version="1", read=lambda content: content.title, open=Letters, columns=8,
        described=Description("{}", 3),
    )  # fmt: skip
    assert ModalitySet((text, own)).described == ()


@pytest.fixture(scope="module")
def embedder() -> VideoEmbedder:
    return real_embedder()


MEDIA = Content(frames=made_up_frames(2), sound=chirp(3.0))


def encoded(embedder: VideoEmbedder, **upload: str) -> Encoded:
    (video,) = embedder.features([uploaded("v7", **upload)], [MEDIA])
    assert isinstance(video, Encoded)
    return video


def test_pictures_and_sound_are_stored_with_what_they_say_by_both_models(embedder: VideoEmbedder) -> None:
    video = encoded(embedder, title="A red square")
    assert video.vectors.keys() == {"text", "image", "audio", "image_text", "audio_text", RETRIEVAL}
    made_by = video.vectors["image_text"].encoder
    assert made_by.startswith("image-efficientnet-lite0-in-text-minilm@")
    assert embedder.modalities.is_current("image_text", made_by)
    row = decode_vector(video.vectors["image_text"], 384)
    assert row is not None and abs(np.linalg.norm(row) - 1) < 1e-6


def test_a_title_decides_alone_and_where_there_is_none_what_is_seen_and_heard_stands_in(
    embedder: VideoEmbedder,
) -> None:
    rows = {name: np.ones((2, 384), np.float32) / np.float32(384**0.5) for name in ("image_text", "audio_text")}
    text = np.zeros((2, 384), np.float32)
    text[0, 3] = 1
    stood_in = with_stand_in({"text": text, **rows}, embedder.modalities.described)["text"]
    assert stood_in[0].tobytes() == text[0].tobytes()
    np.testing.assert_allclose(stood_in[1], rows["image_text"][1], atol=1e-6)
    titled, untitled = encoded(embedder, title="A red square"), encoded(embedder, title="", media_uri="v7.mp4")
    plain = {name: of for name, of in titled.vectors.items() if name not in ("image_text", "audio_text", RETRIEVAL)}
    alone = {name: row[None] for name, of in plain.items() if (row := decode_vector(of)) is not None}
    assert titled.vectors[RETRIEVAL].data == embedder.fusion(alone)[0].astype("<f4").tobytes()
    assert "text" not in untitled.vectors
    parts = {
        name: row[None] for name in ("image", "audio") if (row := decode_vector(untitled.vectors[name])) is not None
    }
    assert untitled.vectors[RETRIEVAL].data != embedder.fusion(parts)[0].astype("<f4").tobytes()


def test_a_reader_makes_the_same_retrieval_vector_of_what_is_stored(embedder: VideoEmbedder) -> None:
    video = encoded(embedder, title="", media_uri="v7.mp4")
    stripped = {name: of for name, of in video.vectors.items() if name != RETRIEVAL}
    again = with_fusion_version(
        Encoded(video_id="v7", at_ms=video.at_ms, vectors=stripped), embedder.fusion, embedder.modalities
    )
    assert again.vectors[RETRIEVAL] == video.vectors[RETRIEVAL]
