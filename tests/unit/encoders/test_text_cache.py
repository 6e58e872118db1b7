"""Encoded texts on disk: the same bits, a bounded file, and no harm where the file is of no use."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from encoders.base import Vectors
from encoders.modalities.configured import modalities_of
from encoders.modalities.text_cache import TextCache, code_of
from schemas.settings.model import Settings
from tests.support.brokers import CACHE


def vector(seed: int) -> Vectors:
    return np.random.default_rng(seed).standard_normal(384).astype(np.float32)


def test_what_was_kept_is_found_bit_by_bit_by_the_next_process(tmp_path: Path) -> None:
    made = {f"title {n}": vector(n) for n in range(1200)}
    TextCache(tmp_path / "new" / "t.sqlite").keep(made)
    found = TextCache(tmp_path / "new" / "t.sqlite").find(["other", *made])
    assert {text: one.tobytes() for text, one in found.items()} == {text: one.tobytes() for text, one in made.items()}


def test_the_oldest_go_first(tmp_path: Path) -> None:
    cache = TextCache(tmp_path / "t.sqlite", most=3)
    for n in range(5):
        cache.keep({f"t{n}": vector(n)})
    assert sorted(cache.find([f"t{n}" for n in range(5)])) == ["t2", "t3", "t4"]


def test_a_damaged_vector_is_not_used_and_is_written_again(tmp_path: Path) -> None:
    cache = TextCache(tmp_path / "t.sqlite")
    cache.keep({"one": vector(1), "two": vector(2)})
    with sqlite3.connect(tmp_path / "t.sqlite") as base:
        base.execute("UPDATE vectors SET vector = zeroblob(1540) WHERE text = ?", (code_of("one"),))
    assert [*cache.find(["one", "two"])] == ["two"]
    cache.keep({"one": vector(1)})
    assert cache.find(["one"])["one"].tobytes() == vector(1).tobytes()


def test_a_file_that_is_none_of_ours_does_no_harm(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "t.sqlite").write_bytes(b"something else " * 1000)
    cache = TextCache(tmp_path / "t.sqlite")
    assert cache.find(["one"]) == {}
    cache.keep({"one": vector(1)})
    assert cache.find(["one"]) == {}
    assert caplog.text.count("delete the file if it is damaged") == 1


@pytest.mark.parametrize("name", ["file/t.sqlite", "folder"])
def test_what_cannot_be_written_is_not_called_damaged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    cache = TextCache(tmp_path / name)
    cache.keep({"one": vector(1)})
    cache.keep({"one": vector(1)})
    assert caplog.text.count(f"encoded texts are not kept in {tmp_path / name}: ") == 1
    assert "damaged" not in caplog.text


def test_a_file_that_another_process_has_only_begun_is_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "t.sqlite").touch()
    cache = TextCache(tmp_path / "t.sqlite")
    assert cache.find(["one"]) == {}
    cache.keep({"one": vector(1)})
    assert [*cache.find(["one"])] == ["one"] and not caplog.text


def test_several_write_at_once(tmp_path: Path) -> None:
    def write(writer: int) -> None:
        for n in range(20):
            TextCache(tmp_path / "t.sqlite").keep({f"{writer}-{n}": vector(n), f"all-{n}": vector(n)})

    with ThreadPoolExecutor(4) as pool:
        [*pool.map(write, range(4))]
    wanted = [f"{writer}-{n}" for writer in (0, 1, 2, 3, "all") for n in range(20)]
    assert sorted(TextCache(tmp_path / "t.sqlite").find(wanted)) == sorted(wanted)


def test_a_replay_takes_the_bits_that_another_one_has_encoded(tmp_path: Path) -> None:
    settings = Settings(cache_dir=tmp_path)
    (tmp_path / "models").symlink_to(CACHE.settings.cache_dir / "models")
    titles = ["Tulips in pots", None, "Nocturne in E flat"]
    first, again = (
        next(one for one in modalities_of(settings, replaying=True) if one.name == "text").open() for _ in range(2)
    )
    encoded = first.encode(titles)
    again._computed = lambda texts: np.zeros((len(texts), 384), np.float32)  # type: ignore[attr-defined]
    assert again.encode(titles).tobytes() == encoded.tobytes()
    assert again.encode(["Something new"]).any() == np.False_


def test_what_does_not_replay_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "models").symlink_to(CACHE.settings.cache_dir / "models")
    text = next(one for one in modalities_of(Settings(cache_dir=tmp_path)) if one.name == "text")
    text.open().encode(["Tulips in pots"])
    assert not (tmp_path / "texts").exists()
