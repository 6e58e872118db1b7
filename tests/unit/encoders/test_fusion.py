"""One text of an upload, one fused vector of its modalities, one short vector for retrieval."""

import csv
import gzip
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from encoders.base import Content, ModelError, Vectors, text_of, unit_rows
from encoders.fusion.attention import ATTENTION, Attention, read_attention, write_attention
from encoders.fusion.fusion import Fusion, load_fusion
from encoders.fusion.projection import RETRIEVAL_DIM, Way, principal_directions, projected
from encoders.fusion.weighted import Weighted
from encoders.modalities.text import TextEncoder
from tests.support.models import TITLES, built_in
from tests.support.paths import DATA

FILMS = DATA / "movielens-latest-small/movies.csv.gz"


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


def by_blocks(weights: Mapping[str, float] | None = None, **dims: int) -> Weighted:
    """A fusion that keeps all of so many dimensions of each modality, side by side."""
    whole, first, maps = np.eye(sum(dims.values()), dtype=np.float32), 0, {}
    for name, dim in dims.items():
        maps[name] = whole[first : first + dim]
        first += dim
    return Weighted(maps, "test", weights or {})


def test_a_fused_cosine_is_the_weighted_mean_of_the_modalities_cosines() -> None:
    words, pictures = some_rows(8), some_rows(5)
    fused = by_blocks({"text": 3.0}, text=8, image=5)({"text": words, "image": pictures})
    expected = (3 * (words @ words.T) + pictures @ pictures.T) / 4
    assert np.abs(fused @ fused.T - expected).max() < 1e-6


def test_a_video_without_one_modality_is_fused_from_the_others() -> None:
    words, sounds = some_rows(8), some_rows(4)
    sounds[2] = 0
    fused = by_blocks(text=8, audio=4)({"text": words, "audio": sounds})
    assert np.abs(np.linalg.norm(fused, axis=1) - 1).max() < 1e-6
    assert np.abs(fused[2, :8] - words[2]).max() < 1e-6 and not fused[2, 8:].any()


def test_a_modality_that_no_encoder_makes_leaves_its_block_empty() -> None:
    fused = by_blocks(text=8, audio=4)({"text": some_rows(8)})
    assert fused.shape == (6, 12) and not fused[:, 8:].any()


def attention(seed: int = 0) -> Attention:
    rng = np.random.default_rng(seed)
    dims = {"text": 8, "image": 5, "audio": 4}
    maps = {name: rng.standard_normal((dim, RETRIEVAL_DIM)).astype(np.float32) for name, dim in dims.items()}
    gates = {name: rng.standard_normal(dim + 1).astype(np.float32) for name, dim in dims.items()}
    return Attention(maps, gates, "test")


def some_of_each(count: int = 6) -> dict[str, Vectors]:
    rows = {"text": some_rows(8, count), "image": some_rows(5, count), "audio": some_rows(4, count)}
    rows["image"][1] = rows["audio"][1] = 0
    return rows


def test_attention_shares_add_up_over_what_a_video_has() -> None:
    shares = attention().shares(some_of_each())
    assert np.abs(sum(shares.values()) - 1).max() < 1e-6
    assert shares["text"][1] == 1.0 and shares["image"][1] == shares["audio"][1] == 0.0


@pytest.mark.parametrize("fusion", [attention(), by_blocks(text=8, image=5, audio=4)])
def test_every_fusion_gives_rows_of_norm_one_whose_bits_do_not_depend_on_the_batch(fusion: Fusion) -> None:
    rows = some_of_each()
    for of in rows.values():
        of[3] = 0  # a video that says nothing
    fused = fusion(rows)
    assert np.abs(np.linalg.norm(np.delete(fused, 3, 0), axis=1) - 1).max() < 1e-6 and not fused[3].any()
    alone = [fusion({name: of[at : at + 1] for name, of in rows.items()}) for at in range(6)]
    assert (np.concatenate(alone) == fused).all()


@pytest.mark.parametrize("fusion", [attention(), by_blocks(text=8)])
def test_fusing_no_modality_at_all_is_an_error(fusion: Fusion) -> None:
    with pytest.raises(ValueError, match="no modality was given"):
        fusion({})


def test_learned_weights_are_kept_under_a_version_of_their_own(tmp_path: Path) -> None:
    one, other = attention(1), attention(2)
    version = write_attention(tmp_path, one.maps, one.gates)
    read = read_attention(tmp_path / ATTENTION)
    assert read.version == version and (read(some_of_each()) == one(some_of_each())).all()
    assert write_attention(tmp_path, other.maps, other.gates) != version


def test_weights_that_could_not_be_used_do_not_take_the_place_of_others(tmp_path: Path) -> None:
    good, bad = attention(1), attention(2)
    version = write_attention(tmp_path, good.maps, good.gates)
    bad.maps["text"][0, 0] = np.nan
    with pytest.raises(ModelError, match="other weights than the fusion needs"):
        write_attention(tmp_path, bad.maps, bad.gates)
    assert read_attention(tmp_path / ATTENTION).version == version
    assert [path.name for path in tmp_path.iterdir()] == [ATTENTION]


@pytest.mark.parametrize("content", [None, b"", b"noise", "short gate"])
def test_weights_that_are_missing_or_damaged_are_refused_with_the_remedy(
    tmp_path: Path, content: bytes | str | None
) -> None:
    if content == "short gate":
        made = attention()
        np.savez(tmp_path / ATTENTION, map_text=made.maps["text"], gate_text=made.gates["text"][:-1])
    elif isinstance(content, bytes):
        (tmp_path / ATTENTION).write_bytes(content)
    with pytest.raises(ModelError, match="freshet train-fusion"):
        read_attention(tmp_path / ATTENTION)


def test_a_row_that_is_not_finite_becomes_a_zero_row() -> None:
    rows = np.array([[np.inf, 1], [np.nan, 1], [1e38, 1e38], [0, 2]], np.float32)
    assert np.isfinite(unit_rows(rows)).all()
    assert unit_rows(rows).any(axis=1).tolist() == [False, False, True, True]


@pytest.mark.parametrize("way", ["concat", "mean"])
def test_retrieval_vectors_are_short_and_of_norm_one(models: Path, text: TextEncoder, way: Way) -> None:
    vectors = load_fusion(built_in(models), way)({"text": text.encode(TITLES[:20])})
    assert vectors.shape == (20, 256) and vectors.dtype == np.float32
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-6


def test_two_ways_of_fusing_have_two_versions(models: Path) -> None:
    assert load_fusion(built_in(models), "concat").version != load_fusion(built_in(models), "mean").version


def test_projecting_vectors_of_another_length_is_an_error(models: Path) -> None:
    with pytest.raises(ValueError, match="got 8 dimensions, needs 384"):
        load_fusion(built_in(models))({"text": some_rows(8)})


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
        titles = [row["title"] for row in csv.DictReader(stream)][::18]
    vectors = text.encode(titles)
    chance, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((384, RETRIEVAL_DIM)))
    kept = kept_neighbours(vectors, load_fusion(built_in(models))({"text": vectors}))
    by_chance = kept_neighbours(vectors, projected(vectors, chance.astype(np.float32)))
    assert kept > 0.88 > by_chance + 0.05  # seen, on all 9,125: 0.916 and 0.757
