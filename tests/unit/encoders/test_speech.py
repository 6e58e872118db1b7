"""Speech and music are told apart, so that musical tags stand on music alone."""

from pathlib import Path

import numpy as np
import pytest

from encoders.base import Vectors
from encoders.modalities.audio import LABELS, SPEECH, AudioEncoder, told_apart
from encoders.modalities.speech import HEARD, RATE, SpeechDetector
from encoders.models.manifest import SPEECH_FOLDER, verify
from tests.bench.sounds import RECORDINGS, read_sound
from tests.support.models import chirp


@pytest.fixture(scope="module")
def speech_models(models: Path) -> Path:
    if not (models / SPEECH_FOLDER).exists():
        pytest.skip("the speech detector is not there: run `freshet export`")
    verify(models / SPEECH_FOLDER)
    return models


@pytest.fixture(scope="module")
def detector(speech_models: Path) -> SpeechDetector:
    return SpeechDetector(speech_models / SPEECH_FOLDER)


def recording(name: str) -> Vectors:
    if not RECORDINGS.is_dir():
        pytest.skip("the recordings are not beside this checkout")
    return read_sound(next(RECORDINGS.glob(f"{name}*.ogg")))


def tags_of(encoder: AudioEncoder, sound: Vectors) -> dict[str, float]:
    [shares] = encoder.classify([sound]).shares
    return {name: float(share) for name, share in zip(encoder.labels, shares, strict=True) if share >= 0.25}


@pytest.mark.parametrize("name", ["198-209", "3436-172162", "5703-47212"])
def test_people_who_read_aloud_are_no_hip_hop(speech_models: Path, name: str) -> None:
    assert tags_of(AudioEncoder(speech_models, provider="cpu"), recording(name)).keys() == {SPEECH}


@pytest.mark.parametrize(("name", "tag"), [("Kevin_MacLeod", "jazz"), ("Karissa", "folk"), ("sorohanro", "jazz")])
def test_music_keeps_its_tags_sung_or_not(speech_models: Path, name: str, tag: str) -> None:
    tags = tags_of(AudioEncoder(speech_models, provider="cpu"), recording(name))
    assert tag in tags and SPEECH not in tags


def test_without_the_detector_tags_and_vectors_are_musicnns_and_that_is_said(
    models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for path in models.iterdir():
        if path.name != SPEECH_FOLDER:
            (tmp_path / path.name).symlink_to(path)
    without, as_set = (AudioEncoder(folder, provider="cpu") for folder in (tmp_path, models))
    sounds = [chirp(7), chirp(3, 500)]
    assert (without.encode(sounds) == as_set.encode(sounds)).all() and without.version == as_set.version
    found, musical = without.classify(sounds).shares, as_set.classify(sounds).shares[:, :LABELS]  # it is no speech
    assert found.shape == (2, LABELS) == (2, len(without.labels)) and SPEECH not in without.labels
    assert np.abs(found - musical).max() < 1e-5
    assert without.classify([None]).shares.shape == (1, LABELS)
    assert [f"{tmp_path} lacks the speech detector" in one.getMessage() for one in caplog.records] == [True]


def test_a_patch_is_heard_alike_alone_and_among_others(detector: SpeechDetector) -> None:
    patches = [chirp(3, hz) for hz in (100, 300, 900)]
    together = detector(patches)
    assert together.shape == (3,) and together.dtype == np.float32
    for patch, found in zip(patches, together, strict=True):
        assert abs(float(detector([patch])[0] - found)) < 1e-5


def test_noise_a_hum_and_silence_are_no_speech(detector: SpeechDetector) -> None:
    hum = np.sin(np.arange(3 * RATE, dtype=np.float32) * 0.17)
    noise = np.random.default_rng(0).normal(0, 0.1, 3 * RATE).astype(np.float32)
    assert detector([hum, noise, np.zeros(3 * RATE, np.float32)]).max() < 0.25
    assert HEARD < RATE


def test_what_is_half_speech_or_more_has_that_label_alone() -> None:
    tags, spoken = np.full((2, LABELS), 0.4, np.float32), np.array([[0.5], [0.49]], np.float32)
    found = told_apart(tags, spoken)
    assert found[0].tolist() == [*[0.0] * LABELS, 0.5]
    assert found[1, :LABELS].tolist() == tags[1].tolist() and found[1, LABELS] == 0
