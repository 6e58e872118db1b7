"""A new modality is one file and one line, and needs no fork: the page that says so is carried out here."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from typer import BadParameter

from encoders.base import Vectors, unit_rows
from encoders.embedder import VideoEmbedder
from encoders.fusion.embeddings import DIM, RETRIEVAL
from encoders.fusion.projection import columns_of, maps_of, projected
from encoders.modalities.registry import BUILT_IN
from ranker.library.library import VideoLibrary
from ranker.retrieval.index import SearchFilter
from schemas.messages.vectors import decode_vector
from schemas.messages.videos import Encoded
from schemas.settings.model import Settings
from streams.cli.catalogue import vector_name
from streams.indexing.step import to_indexed_video
from streams.operations.search import similar_in
from streams.operations.snapshot import with_current_vectors
from streams.qdrant.index import open_index
from tests.support.brokers import CACHE
from tests.support.documented_scripts import EXTENDING, scripts_of
from tests.support.events import uploaded
from tests.support.idle_time import skip_idle_time
from tests.support.paths import GOLDEN, ROOT
from tests.support.qdrant_stub import QdrantStub, running

pytestmark = pytest.mark.filterwarnings("ignore:Local mode performs exact")

LOG = GOLDEN / "log.jsonl"
PACKAGES = ("schemas", "encoders", "ranker", "streams")
MOST_FILES = 4  # that a new modality may touch

SCRIPTS = scripts_of(EXTENDING)
MODULE, TEST = SCRIPTS["letters.py"], SCRIPTS["test_letters.py"]
BUILT_IN_MODULE = '''"""Which letters a title is made of, as one of Freshet's own."""

import numpy as np

from encoders.base import unit_rows
from encoders.modalities.modality import Modality, ModalityContext


class Letters:
    """A title to float32 [8] of norm 1."""

    name, version, dim = "letters", "1", 8

    def encode(self, batch):
        counts = [np.bincount([ord(letter) % 8 for letter in title or ""], minlength=8) for title in batch]
        return unit_rows(np.array(counts, np.float32).reshape(-1, 8))


def modality(context: ModalityContext) -> Modality[str]:
    """The letters of the title."""
    return Modality(name="letters", dim=8, version="1", read=lambda content: content.title, open=Letters, columns=8)
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that Python imports from, with the page's module and its test."""
    made = tmp_path_factory.mktemp("own")
    (made / "letters.py").write_text(MODULE, "utf-8")
    (made / "test_letters.py").write_text(TEST, "utf-8")
    sys.path.insert(0, str(made))
    yield made
    sys.path.remove(str(made))
    for name in ("letters", "test_letters"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def settings(folder: Path) -> Settings:
    return Settings(cache_dir=CACHE.settings.cache_dir, provider="cpu", modalities="letters:build")


@pytest.fixture(scope="module")
def embedder(settings: Settings) -> VideoEmbedder:
    return VideoEmbedder.of(settings, replaying=True)


@pytest.fixture(scope="module")
def usual(settings: Settings) -> VideoEmbedder:
    """The same without the modality of our own."""
    return VideoEmbedder.of(Settings(cache_dir=settings.cache_dir, provider="cpu"), replaying=True)


def embedded(embedder: VideoEmbedder, *titles: str) -> list[Encoded]:
    uploads = [uploaded(f"v{number}", title=title) for number, title in enumerate(titles)]
    return [one for one in embedder.features(uploads) if isinstance(one, Encoded)]


def row_of(video: Encoded, name: str) -> Vectors:
    row = decode_vector(video.vectors[name])
    assert row is not None
    return row


def test_the_encoder_on_the_page_has_ten_lines() -> None:
    body = MODULE.split("class Letters")[1].split("def build")[0].strip().splitlines()
    assert len([line for line in body if line.strip()]) <= 10


def test_an_upload_gets_a_vector_of_a_modality_that_a_setting_names(embedder: VideoEmbedder) -> None:
    cab, silent = embedded(embedder, "Cab", "24/7")
    vector = cab.vectors["letters"]
    assert (vector.encoder, vector.dim) == ("letters@1", 8)
    assert np.flatnonzero(row_of(cab, "letters")).tolist() == sorted({ord("C") % 8, ord("a") % 8, ord("b") % 8})
    assert "text" in silent.vectors and "letters" not in silent.vectors


def test_its_vector_is_part_of_the_fused_one(embedder: VideoEmbedder) -> None:
    [video] = embedded(embedder, "Cab")
    maps = maps_of(embedder.modalities, "mean")
    parts = [projected(row_of(video, name)[None], maps[name]) for name in ("text", "letters")]
    assert columns_of(embedder.modalities, "mean")["letters"] == slice(DIM - 8, DIM)
    assert np.abs(unit_rows(parts[0] + parts[1])[0] - row_of(video, RETRIEVAL)).max() < 1e-6
    assert np.abs(unit_rows(parts[0])[0] - row_of(video, RETRIEVAL)).max() > 0.1


def test_the_vectors_of_the_other_modalities_stay_as_they_are(embedder: VideoEmbedder, usual: VideoEmbedder) -> None:
    [video], [without] = embedded(embedder, "Cab"), embedded(usual, "Cab")
    assert video.vectors["text"] == without.vectors["text"] and video.labels == without.labels


def test_retrieval_vectors_of_two_sets_of_modalities_have_two_versions(
    embedder: VideoEmbedder, usual: VideoEmbedder
) -> None:
    version, before = embedder.version, usual.version
    assert re.fullmatch(rf"{before}-modalities-[0-9a-f]{{8}}", version)
    assert embedder.modalities.are_all_in(version) and not embedder.modalities.are_all_in(before)
    assert usual.modalities.are_all_in(before) and not usual.modalities.are_all_in(version)


async def test_an_index_keeps_it_under_its_name_and_finds_videos_by_it(
    settings: Settings, embedder: VideoEmbedder
) -> None:
    skip_idle_time()
    async with running(QdrantStub()) as stub:
        videos = embedded(embedder, "a cab", "bacca", "xyz xyz")
        index = await open_index(settings.model_copy(update={"qdrant_url": stub.url}), DIM, embedder.version)
        await index.upsert([made for one in videos if (made := to_indexed_video(one, embedder.modalities))])
        kept = await index.vectors_of("v0")
        assert kept is not None and kept.keys() == {"text", "letters", RETRIEVAL}
        assert kept["letters"] == pytest.approx(row_of(videos[0], "letters"), abs=1e-6)
        near = await similar_in(index, "v0", "letters", 2, SearchFilter())
        assert [hit.video.video_id for hit in near] == ["v1", "v2"]
        await index.close()


def test_videos_are_compared_by_it_without_a_server_too(embedder: VideoEmbedder) -> None:
    gallery = VideoLibrary()
    found = embedded(embedder, "a cab", "bacca", "xyz xyz")
    gallery.take(with_current_vectors(one, embedder.fusion, embedder.modalities) for one in found)
    assert [hit.video.video_id for hit in gallery.similar("v0", "letters", 2)] == ["v1", "v2"]


def test_the_command_line_compares_by_it(settings: Settings) -> None:
    assert (vector_name(settings, "letters"), vector_name(settings, "fused")) == ("letters", RETRIEVAL)
    with pytest.raises(BadParameter, match=r"'x' is not one of 'text', 'image', 'audio', 'letters', .*'fused'"):
        vector_name(settings, "x")


def test_the_test_on_the_page_passes(folder: Path) -> None:
    import_module("test_letters").test_letters_keep_the_laws_of_an_encoder()


def test_the_page_names_the_function_that_its_module_has(folder: Path) -> None:
    [named] = set(re.findall(r"FRESHET_MODALITIES=(\S+)", EXTENDING.read_text("utf-8")))
    module, _, function = named.partition(":")
    assert callable(getattr(import_module(module), function))


@cache
def replayed(folder: Path, *options: str, own: Path | None = None) -> dict[str, object]:
    """What a replay of the golden log prints, run from the packages in a folder."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("FRESHET_")}
    environ |= {"FRESHET_CACHE_DIR": str(CACHE.settings.cache_dir), "PYTHONPATH": str(own or folder)}
    if own:
        environ["FRESHET_MODALITIES"] = "letters:build"
    command = [sys.executable, "-m", "streams.cli", "replay", str(LOG), "--json", *options]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return {name: found[name] for name in ("slates", "state_digest", "slate_digest")}


def test_a_replay_runs_with_it_and_gives_the_same_slates_at_any_batch(folder: Path) -> None:
    one, many = (replayed(ROOT, "--batch", batch, own=folder) for batch in ("1", "64"))
    without = replayed(ROOT)
    assert one == many and one["slates"] == without["slates"] == 240
    assert one["state_digest"] == without["state_digest"] and one["slate_digest"] != without["slate_digest"]


def files_of(tree: Path) -> dict[str, bytes]:
    found = (path for package in PACKAGES for path in sorted((tree / package).rglob("*")) if path.is_file())
    return {path.relative_to(tree).as_posix(): path.read_bytes() for path in found if path.suffix != ".pyc"}


def test_a_built_in_modality_is_one_file_and_a_line_of_the_registry(tmp_path: Path) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    before, registry = files_of(tmp_path), tmp_path / "encoders/modalities/registry.py"
    (tmp_path / "encoders/modalities/letters.py").write_text(BUILT_IN_MODULE, "utf-8")
    listed = registry.read_text("utf-8").replace("import audio, image, text", "import audio, image, letters, text")
    registry.write_text(
        listed.replace("    audio.modality,\n", "    audio.modality,\n    letters.modality,\n"), "utf-8"
    )
    now = files_of(tmp_path)
    touched = {name for name in now if now[name] != before.get(name)}
    assert touched == {"encoders/modalities/letters.py", "encoders/modalities/registry.py"}
    assert len(touched) + 2 <= MOST_FILES  # with a file of its name in encoders/export, and its weights in the manifest
    with_it, without = replayed(tmp_path), replayed(ROOT)
    assert with_it["slates"] == 240 and with_it["slate_digest"] != without["slate_digest"]


def test_each_built_in_modality_has_a_file_that_makes_its_model() -> None:
    names = [describe.__module__.rpartition(".")[2] for describe in BUILT_IN]
    assert [name for name in names if not (ROOT / f"encoders/export/{name}.py").is_file()] == []


@pytest.mark.parametrize("named", ["nobodys_module:build", "letters:name", "letters"])
def test_a_command_ends_with_one_sentence_where_the_setting_names_nothing_usable(folder: Path, named: str) -> None:
    environ = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}", "FRESHET_MODALITIES": named}
    command = [sys.executable, "-m", "streams.cli", "replay", str(LOG)]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if line.startswith("freshet: ")]
    assert done.returncode == 2 and len(said) == 1 and "FRESHET_MODALITIES" in said[0] and said[0].endswith(".")
