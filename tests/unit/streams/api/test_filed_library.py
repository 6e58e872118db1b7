"""The library whose vectors lie on disk answers as the one that holds them, and goes on where the disk is full."""

import os
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from ranker.library.library import RETRIEVAL, VideoLibrary
from ranker.library.playlist import Wish, playlist
from ranker.retrieval.index import SearchFilter
from schemas.messages.videos import CatalogueRecord, Encoded, Vector
from streams.api.catalogue import filed_library
from streams.api.catalogue.filed_library import FiledLibrary
from tests.support.events import NOON, encoded, withdrawn

DIMS = {"text": 8, RETRIEVAL: 4}


def with_vectors(video: Encoded, chance: np.random.Generator, *names: str) -> Encoded:
    rows = {name: chance.standard_normal(DIMS[name]).astype("<f4") for name in names}
    return replace(video, vectors={name: Vector(len(row), "e@1", row.tobytes()) for name, row in rows.items()})


def some_records(count: int, seed: int = 7) -> list[CatalogueRecord]:
    """Uploads, uploads again, older ones, withdrawals, of sixty videos; not all have each vector."""
    chance = np.random.default_rng(seed)
    made: list[CatalogueRecord] = []
    for turn in range(count):
        name, at_ms = f"v{chance.integers(60):03}", NOON + turn - int(chance.integers(3))
        names = ([], ["text"], ["text", RETRIEVAL], ["text", RETRIEVAL])[int(chance.integers(4))]
        made.append(with_vectors(encoded(name, at_ms), chance, *names) if names else withdrawn(name, at_ms))
    return made


@pytest.mark.parametrize("few", [0, filed_library.FEW])
def test_it_answers_as_the_library_that_holds_its_vectors(
    few: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filed_library, "FIRST_ROWS", 4)
    monkeypatch.setattr(filed_library, "FEW", few)
    held, filed, asked = VideoLibrary(), FiledLibrary(tmp_path, DIMS), np.random.default_rng(1)
    where = SearchFilter(exclude=frozenset({"v003", "v010"}))
    for record in some_records(400):
        for library in (held, filed):
            library.take([record])
        for name, dim in DIMS.items():
            vector = asked.standard_normal(dim).astype(np.float32)
            told = [
                [(hit.video.video_id, round(hit.score, 4)) for hit in library.near(vector, name, 5, where)]
                for library in (held, filed)
            ]
            assert told[0] == told[1]
    assert filed.videos.keys() == held.videos.keys() and filed.withdrawn == held.withdrawn
    assert filed.overtaken == held.overtaken
    for name in DIMS:
        videos, rows = held.column(name)
        same, same_rows = filed.column(name)
        assert [one.video_id for one in same] == [one.video_id for one in videos] and (rows == same_rows).all()
        for at, video in enumerate(videos):
            assert filed.place(video.video_id, name) == at
            near = [[hit.video.video_id for hit in one.similar(video.video_id, name, 3)] for one in (held, filed)]
            assert near[0] == near[1]
    wish = Wish(rows[:2])
    assert [one.video.video_id for one in playlist(filed, wish, 9)] == [
        one.video.video_id for one in playlist(held, wish, 9)
    ]


def test_what_it_knows_nothing_of_is_said(tmp_path: Path) -> None:
    library, chance = FiledLibrary(tmp_path, DIMS), np.random.default_rng(0)
    assert library.near(np.zeros(8, np.float32), "text", 3) == []
    assert library.column("text")[0] == [] and library.place("v1", "text") is None
    library.take([with_vectors(encoded("v1"), chance, "text")])
    with pytest.raises(KeyError):
        library.similar("v1", RETRIEVAL, 3)
    with pytest.raises(ValueError, match="got 3 dimensions"):
        library.near(np.zeros(3, np.float32), "text", 3)


def test_a_vector_that_is_not_finite_is_not_found(tmp_path: Path) -> None:
    library = FiledLibrary(tmp_path, DIMS)
    bad = Vector(8, "e@1", np.full(8, np.nan, "<f4").tobytes())
    library.take([replace(encoded("v1"), vectors={"text": bad})])
    assert library.near(np.ones(8, np.float32), "text", 3) == [] and "v1" in library.videos


def test_its_records_hold_no_vectors_and_its_files_have_no_names(tmp_path: Path) -> None:
    library = FiledLibrary(tmp_path, DIMS)
    library.take(some_records(50))
    assert {len(vector.data) for video in library.videos.values() for vector in video.vectors.values()} == {0}
    assert list(tmp_path.iterdir()) == []


def test_what_a_full_disk_refuses_is_found_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    library, chance, write = FiledLibrary(tmp_path, DIMS), np.random.default_rng(0), os.pwrite
    first, second, third = (with_vectors(encoded(f"v{n}"), chance, "text") for n in range(3))
    library.take([first])
    monkeypatch.setattr(os, "pwrite", lambda *_: 0)
    library.take([second])
    library.take([second])
    anything = np.ones(8, np.float32)
    assert [hit.video.video_id for hit in library.near(anything, "text", 3)] == ["v0"] and "v1" in library.videos
    monkeypatch.setattr(os, "pwrite", write)
    library.take([third])
    assert {hit.video.video_id for hit in library.near(anything, "text", 3)} == {"v0", "v1", "v2"}
    assert [one.partition(" cannot")[0] for one in caplog.messages] == [
        "vectors of videos",
        "vectors of videos are written to disk again",
    ]


def test_a_first_vector_of_a_wrong_dimension_hides_none_of_the_right_one(tmp_path: Path) -> None:
    library, chance = FiledLibrary(tmp_path, DIMS), np.random.default_rng(0)
    short = {"text": Vector(3, "e@1", np.ones(3, "<f4").tobytes())}
    library.take([replace(encoded("v1"), vectors=short)])
    library.take([with_vectors(encoded(f"v{n}"), chance, "text") for n in (2, 3)])
    found = library.near(np.ones(8, np.float32), "text", 3)
    assert {hit.video.video_id for hit in found} == {"v2", "v3"} and "v1" in library.videos


def test_a_file_that_cannot_be_made_is_made_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library, chance = FiledLibrary(tmp_path, DIMS), np.random.default_rng(0)

    def refused(**_: object) -> None:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as full:
        full.setattr(filed_library.tempfile, "TemporaryFile", refused)
        library.take([with_vectors(encoded(f"v{n}"), chance, "text", RETRIEVAL) for n in (1, 2)])
    assert library.near(np.ones(8, np.float32), "text", 3) == [] and {"v1", "v2"} == library.videos.keys()
    library.take([withdrawn("v2", NOON + 1)])
    for name, dim in DIMS.items():
        assert [hit.video.video_id for hit in library.near(np.ones(dim, np.float32), name, 3)] == ["v1"]
