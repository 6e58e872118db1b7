"""What the audio encoder hears: the original's tags, from patches that are cut where the sound is."""

import json
from pathlib import Path

import numpy as np
import pytest

from encoders.base import unit_rows
from encoders.modalities.audio import (
    DIM,
    DIRECTIONS,
    DIRECTIONS_DIM,
    INPUTS,
    LABELS,
    OUTPUTS,
    PATCH,
    RATE,
    SILENCE,
    SPEECH,
    WHOLE,
    AudioEncoder,
    patches_of,
)
from encoders.modalities.audio import FILE as MODEL
from encoders.models.manifest import checked_bytes
from encoders.models.session import open_model
from tests.support.models import chirp
from tests.support.paths import GOLDEN

GOLDEN = json.loads((GOLDEN / "audio.json").read_text("utf-8"))


def test_the_graph_answers_as_librosa_and_the_original_network_did(models: Path, audio: AudioEncoder) -> None:
    model = open_model(models / MODEL, provider="cpu", inputs=INPUTS, outputs=OUTPUTS)
    vectors, tags = model(chirp(3)[None])
    assert np.abs(tags[0] - GOLDEN["tags"]).max() < 1e-4
    assert np.abs(vectors[0] - unit_rows(np.array([GOLDEN["penultimate"]], np.float32))[0]).max() < 1e-4
    assert list(audio.labels) == [*GOLDEN["labels"], SPEECH]


def test_without_its_dead_filters_the_model_answers_as_with_them(models: Path) -> None:
    slim, whole = (open_model(models / name, provider="cpu", inputs=INPUTS, outputs=OUTPUTS) for name in (MODEL, WHOLE))
    rng = np.random.default_rng(0)
    patches = np.stack([chirp(3), chirp(3, 900), rng.normal(0, 0.1, PATCH), np.zeros(PATCH)]).astype(np.float32)
    for one, other in zip(slim(patches), whole(patches), strict=True):
        assert np.abs(one - other).max() < 1e-5  # the constants of 496 filters are in the values
    assert 2 * slim.path.stat().st_size < whole.path.stat().st_size


def test_vectors_and_tags_come_from_the_same_listening(audio: AudioEncoder) -> None:
    batch = [chirp(7), None, chirp(3)]
    heard = audio.classify(batch)
    assert (heard.vectors == audio.encode(batch)).all()
    assert heard.shares.shape == (3, LABELS + 1) and not heard.shares[1].any()
    assert ((heard.shares >= 0) & (heard.shares <= 1)).all() and heard.shares[0].any()


def starts(sound: np.ndarray) -> list[int]:
    """Where the patches of a sound begin whose samples count up to 1."""
    return [round(float(patch[0]) * len(sound)) for patch in patches_of(sound)]


@pytest.mark.parametrize(
    ("seconds", "seconds_in"),
    [(3, [0]), (4, [0.5]), (5, [0, 2]), (9, [0, 3, 6]), (30, [3.5, 13.5, 23.5])],
)
def test_patches_lie_in_the_middle_of_equal_parts(seconds: int, seconds_in: list[float]) -> None:
    rising = np.arange(1, seconds * RATE + 1, dtype=np.float32) / (seconds * RATE)
    assert np.abs(np.array(starts(rising)) - np.array(seconds_in) * RATE).max() <= 2
    assert all(len(patch) == PATCH for patch in patches_of(rising))


def test_a_short_sound_is_repeated_until_it_fills_a_patch() -> None:
    sound = chirp(1.25)
    (patch,) = patches_of(sound)
    assert (patch == np.concatenate([sound, sound, sound])[:PATCH]).all()


def test_numbers_that_no_sound_has_become_silence_or_the_loudest() -> None:
    sound = chirp(5)
    sound[[20_000, 30_000, 70_000]] = [np.nan, np.inf, -np.inf]
    first, second = patches_of(sound)
    assert first[[20_000, 30_000]].tolist() == [0, 1] and second[70_000 - 2 * RATE] == -1
    assert np.isnan(sound[20_000])  # what was given stays as it was


def test_a_silent_passage_does_not_change_what_the_rest_sounds_like(audio: AudioEncoder) -> None:
    music, pause = chirp(3), np.zeros(3 * RATE, np.float32)
    assert np.abs(audio.encode([np.concatenate([pause, music, pause])]) - audio.encode([music])).max() < 1e-6


def test_what_is_louder_than_silence_is_heard(audio: AudioEncoder) -> None:
    hum = np.sin(2 * np.pi * 440 * np.arange(PATCH) / RATE).astype(np.float32)
    loudness = np.float32(SILENCE * np.sqrt(2))
    vectors = audio.encode([0.9 * loudness * hum, 1.1 * loudness * hum])
    assert vectors.any(axis=1).tolist() == [False, True]


def test_calls_of_another_size_change_no_vector(models: Path, audio: AudioEncoder) -> None:
    batch = [chirp(9), chirp(3, 500), chirp(5, 900)]
    fours = AudioEncoder(models, provider="cpu")
    fours._rows = 4  # as on another provider: a full call and a call that is filled up
    assert np.abs(fours.classify(batch).vectors - audio.classify(batch).vectors).max() < 1e-5
    assert np.abs(fours.classify(batch).shares - audio.classify(batch).shares).max() < 1e-5


@pytest.mark.parametrize("sound", [chirp(1).astype(np.float64), np.zeros((2, 100), np.float32)])
def test_sound_of_another_type_or_shape_is_refused(audio: AudioEncoder, sound: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"AudioEncoder: got .* instead of float32 \[S\]"):
        audio.encode([sound])


def test_the_directions_that_tell_tags_apart_are_orthonormal(models: Path) -> None:
    found = np.load(models / DIRECTIONS, allow_pickle=False)
    assert checked_bytes(models / DIRECTIONS) and found.shape == (DIM, DIRECTIONS_DIM)
    assert np.abs(found.T @ found - np.eye(DIRECTIONS_DIM)).max() < 1e-5
