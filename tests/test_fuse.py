"""One text of an upload, one fused vector of its modalities, one short vector for retrieval."""

import csv
import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from encoders.base import Content, Vectors, text_of, unit_rows
from encoders.fuse import RETRIEVAL_DIM, Projection, Weights, fuse, principal_directions
from encoders.text import TextEncoder
from tests.models import TITLES, real_models

DATA = Path(os.environ.get("FRESHET_TEST_DATA") or Path(__file__).parents[2] / "shared/data")
FILMS = DATA / "movielens-latest-small/movies.csv.gz"


@pytest.fixture(scope="module")
def models() -> Path:
    return real_models()


@pytest.fixture(scope="module")
def text(models: Path) -> TextEncoder:
    return TextEncoder(models, provider="cpu")


def test_an_upload_that_says_nothing_has_no_text() -> None:
    assert text_of() is None
    assert text_of(" ", "\n", ["", " "], "") is None


def test_an_uploads_text_keeps_title_first_and_description_last() -> None:
    assert text_of("T", "D", ["a", "b"], "C") == "T. a, b. C. D"
    assert text_of(description="only this") == "only this"


def test_content_names_what_is_missing_by_none() -> None:
    assert Content(text="a cat").frames is None and Content().text is None


def some_rows(dim: int, count: int = 6, seed: int = 1) -> Vectors:
    rng = np.random.default_rng((seed, dim))
    return unit_rows(rng.standard_normal((count, dim)).astype(np.float32))


def test_a_fused_cosine_is_the_weighted_mean_of_the_modalities_cosines() -> None:
    words, pictures = some_rows(8), some_rows(5)
    fused = fuse(words, pictures, weights=Weights(text=3.0, image=1.0))
    expected = (3 * (words @ words.T) + pictures @ pictures.T) / 4
    assert np.abs(fused @ fused.T - expected).max() < 1e-6


def test_a_video_without_one_modality_is_fused_from_the_others() -> None:
    words, sounds = some_rows(8), some_rows(4)
    sounds[2] = 0
    fused = fuse(text=words, audio=sounds)
    assert np.abs(np.linalg.norm(fused, axis=1) - 1).max() < 1e-6
    assert np.abs(fused[2, :8] - words[2]).max() < 1e-6 and not fused[2, 8:].any()


def test_a_video_without_anything_stays_a_zero_row() -> None:
    nothing = np.zeros((2, 384), np.float32)
    project = Projection(principal_directions(some_rows(384, 600), RETRIEVAL_DIM))
    assert not fuse(nothing).any() and not project(fuse(nothing)).any()


def test_fusing_no_modality_at_all_is_an_error() -> None:
    with pytest.raises(ValueError, match="no modality was given"):
        fuse()


def test_a_row_that_is_not_finite_becomes_a_zero_row() -> None:
    rows = np.array([[np.inf, 1], [np.nan, 1], [1e38, 1e38], [0, 2]], np.float32)
    assert np.isfinite(unit_rows(rows)).all()
    assert unit_rows(rows).any(axis=1).tolist() == [False, False, True, True]


def test_retrieval_vectors_are_short_and_of_norm_one(models: Path, text: TextEncoder) -> None:
    vectors = Projection.load(models)(fuse(text.encode(TITLES[:20])))
    assert vectors.shape == (20, 256) and vectors.dtype == np.float32
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-6


def test_not_a_bit_of_a_retrieval_vector_depends_on_the_batch(models: Path, text: TextEncoder) -> None:
    project, rows = Projection.load(models), text.encode(TITLES[:80])
    whole = project(fuse(rows))
    assert (np.concatenate([project(fuse(rows[i : i + 1])) for i in range(len(rows))]) == whole).all()


def test_projecting_vectors_of_another_length_is_an_error(models: Path) -> None:
    with pytest.raises(ValueError, match="got 8 dimensions, needs 384"):
        Projection.load(models)(some_rows(8))


def test_principal_directions_are_orthonormal_and_repeatable() -> None:
    rows = some_rows(32, 200)
    found = principal_directions(rows, 12)
    assert np.abs(found.T @ found - np.eye(12)).max() < 1e-6
    assert (found == principal_directions(rows, 12)).all()


def kept_neighbours(long: Vectors, short: Vectors, k: int = 10) -> float:
    """The share of each row's k nearest by the long vectors that are among its k nearest by the short ones."""

    def nearest(rows: Vectors) -> list[set[int]]:
        scores = rows @ rows.T
        np.fill_diagonal(scores, -2)
        return [set(row) for row in np.argpartition(-scores, k, axis=1)[:, :k].tolist()]

    pairs = zip(nearest(long), nearest(short), strict=True)
    return sum(len(mine & theirs) for mine, theirs in pairs) / (k * len(long))


@pytest.mark.skipif(not FILMS.exists(), reason=f"needs {FILMS.name}; set FRESHET_TEST_DATA")
def test_the_projection_keeps_film_titles_neighbours_better_than_chance_does(models: Path, text: TextEncoder) -> None:
    with gzip.open(FILMS, "rt", encoding="utf-8") as stream:
        titles = [row["title"] for row in csv.DictReader(stream)][::9]
    vectors = text.encode(titles)
    chance, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((384, RETRIEVAL_DIM)))
    kept = kept_neighbours(vectors, Projection.load(models)(vectors))
    by_chance = kept_neighbours(vectors, Projection(chance.astype(np.float32))(vectors))
    assert kept > 0.88 > by_chance + 0.05  # seen, on all 9,125: 0.916 and 0.757
