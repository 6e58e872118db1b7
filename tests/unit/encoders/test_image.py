"""What the image encoder sees: one vector and one set of labels per video, whatever the calls' size."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from encoders.base import ModelError
from encoders.modalities.image import DIM, DIRECTIONS, DIRECTIONS_DIM, LABELS, SIDE, Frames, ImageEncoder
from encoders.models.manifest import checked_bytes, read
from tests.support.models import made_up_frames


@pytest.fixture(params=["fp32", "int8"])
def image(image: ImageEncoder, image_int8: ImageEncoder, request: pytest.FixtureRequest) -> ImageEncoder:
    return {"fp32": image, "int8": image_int8}[request.param]


ROW, COLUMN = np.mgrid[:SIDE, :SIDE]


def disc(picture: Frames, row: float, column: float, radius: float, colour: tuple[int, int, int]) -> None:
    picture[(ROW - row) ** 2 + (COLUMN - column) ** 2 < radius**2] = colour


def honeycomb() -> Frames:
    picture = np.full((SIDE, SIDE, 3), (230, 170, 30), np.uint8)
    for row, column in np.ndindex(9, 9):
        disc(picture, row * 26, column * 30 + row % 2 * 15, 11, (110, 60, 10))
    return picture


def crossword() -> Frames:
    picture = np.full((SIDE, SIDE, 3), 255, np.uint8)
    picture[::16] = picture[:, ::16] = 0
    for row, column in np.random.default_rng(0).integers(0, 14, (50, 2)) * 16:
        picture[row : row + 16, column : column + 16] = 0
    return picture


def traffic_light() -> Frames:
    picture = np.full((SIDE, SIDE, 3), (120, 160, 200), np.uint8)
    picture[30:200, 82:142] = 25
    for row, colour in ((58, (230, 30, 30)), (115, (60, 50, 20)), (172, (20, 60, 30))):
        disc(picture, row, 112, 22, colour)
    return picture


def wall_clock() -> Frames:
    picture = np.full((SIDE, SIDE, 3), (30, 20, 20), np.uint8)
    disc(picture, 112, 112, 100, (250, 250, 245))
    picture[40:112, 110:114] = picture[110:114, 112:170] = 0
    for hour in np.arange(12) * np.pi / 6:
        disc(picture, 112 - 84 * np.cos(hour), 112 + 84 * np.sin(hour), 5, (0, 0, 0))
    return picture


@pytest.mark.parametrize("draw", [honeycomb, crossword, traffic_light, wall_clock])
def test_a_drawing_is_called_what_it_shows(image: ImageEncoder, draw: Callable[[], Frames]) -> None:
    shares = image.classify([draw()[None]]).shares[0]
    called = image.labels[int(shares.argmax())]
    assert draw.__name__.replace("_", " ") in called and shares.max() > 0.35  # seen: 0.85, 0.76, 0.44, 0.47


def test_vectors_and_labels_come_from_the_same_look(image: ImageEncoder) -> None:
    batch = [made_up_frames(3), None, made_up_frames(1)]
    seen = image.classify(batch)
    assert (seen.vectors == image.encode(batch)).all()
    assert seen.shares.shape == (3, LABELS) and len(image.labels) == LABELS
    assert np.abs(seen.shares.sum(axis=1) - [1, 0, 1]).max() < 1e-5


def test_a_videos_vector_and_shares_are_the_mean_of_its_frames(image: ImageEncoder) -> None:
    frames = made_up_frames(3)
    whole, each = image.classify([frames]), image.classify([frames[:1], frames[1:2], frames[2:]])
    mean = each.vectors.mean(axis=0)
    assert np.abs(whole.vectors[0] - mean / np.linalg.norm(mean)).max() < 1e-6
    assert np.abs(whole.shares[0] - each.shares.mean(axis=0)).max() < 1e-6


def test_a_still_picture_looks_the_same_however_often_it_is_shown(image: ImageEncoder) -> None:
    frame = made_up_frames(1)
    assert np.abs(image.encode([frame]) - image.encode([frame.repeat(4, axis=0)])).max() < 1e-6


def test_calls_of_another_size_change_no_vector(models: Path, image: ImageEncoder) -> None:
    batch = [made_up_frames(count) for count in (3, 1, 7)]
    eights = ImageEncoder(models, provider="cpu", precision="int8" if image.version.startswith("int8") else "fp32")
    eights._rows = 8  # as on another provider: a full call and a call that is filled up
    assert np.abs(eights.classify(batch).vectors - image.classify(batch).vectors).max() < 1e-5
    assert np.abs(eights.classify(batch).shares - image.classify(batch).shares).max() < 1e-5


def test_int8_sees_nearly_what_fp32_sees(models: Path) -> None:
    fp32, int8 = (ImageEncoder(models, provider="cpu", precision=of) for of in ("fp32", "int8"))  # type: ignore[arg-type]
    drawn = [np.stack([draw() for draw in (honeycomb, crossword, traffic_light, wall_clock)])]
    assert fp32.version.removeprefix("fp32") == int8.version.removeprefix("int8")
    assert 0.98 < float((fp32.encode(drawn) * int8.encode(drawn)).sum()) < 0.99999  # seen: 0.994


def test_int8_refuses_a_gpu_and_stays_on_the_cpu_where_any_will_do(models: Path) -> None:
    assert ImageEncoder(models, precision="int8").provider == "cpu"
    with pytest.raises(ModelError, match="int8 pictures are for the CPU: set image_precision to fp32"):
        ImageEncoder(models, provider="cuda", precision="int8")


@pytest.mark.parametrize(
    "frames",
    [made_up_frames(2).astype(np.float32), made_up_frames(2)[:, :100], made_up_frames(1)[0], made_up_frames(1)[..., 0]],
)
def test_frames_of_another_type_or_shape_are_refused(image: ImageEncoder, frames: Frames) -> None:
    with pytest.raises(ValueError, match=r"ImageEncoder: got .* instead of uint8 \[F, 224, 224, 3\]"):
        image.encode([frames])


def test_the_directions_that_tell_labels_apart_are_orthonormal(models: Path) -> None:
    found = np.load(models / DIRECTIONS, allow_pickle=False)
    assert checked_bytes(models / DIRECTIONS) and found.shape == (DIM, DIRECTIONS_DIM)
    assert np.abs(found.T @ found - np.eye(DIRECTIONS_DIM)).max() < 1e-5
    described = read(models).file(DIRECTIONS)
    assert described is not None and described.dim == DIRECTIONS_DIM
