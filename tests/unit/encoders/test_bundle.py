"""The models in one archive: the same bytes everywhere, and one sentence where it is damaged or of another version."""

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from encoders.base import ModelError
from encoders.models.bundle import LICENCES, may_have_speech, name_of, pack, take
from encoders.models.manifest import (
    MANIFEST,
    MODELS,
    MOST_BYTES,
    SPEECH_FOLDER,
    TEXT_FOLDERS,
    Manifest,
    describe,
    folder_of,
    read,
    sha256_of,
    verify,
    verify_for,
    write,
)
from tests.support.models import SMALL, small_folder

OF_E5 = TEXT_FOLDERS["e5"]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "published" / name_of()
    pack(small_folder(tmp_path / "made"), path)
    return path


def test_the_same_models_give_the_same_bytes_and_say_whose_they_are(tmp_path: Path, bundle: Path) -> None:
    again = tmp_path / "again.tar"
    assert pack(tmp_path / "made", again) == sha256_of(bundle) == sha256_of(again)
    with tarfile.open(bundle) as archive:
        assert archive.getnames() == [MANIFEST, LICENCES, *SMALL]
        stream = archive.extractfile(LICENCES)
        assert stream is not None and "a.txt\n    a test\n    licence: Apache-2.0\n" in stream.read().decode()
    assert [path.name for path in bundle.parent.iterdir()] == [name_of()]  # nothing half-made beside it


def test_models_that_are_damaged_are_not_packed(tmp_path: Path) -> None:
    folder = small_folder(tmp_path / "made")
    (folder / "a.txt").write_text("b")
    with pytest.raises(ModelError, match=r"a\.txt differs from its sha256"):
        pack(folder, tmp_path / "a.tar")


@pytest.mark.parametrize("of", ["archive", "folder"])
def test_a_bundle_becomes_the_models_of_this_version(tmp_path: Path, bundle: Path, of: str) -> None:
    folder = folder_of(tmp_path / "cache")
    take(bundle if of == "archive" else tmp_path / "made", folder, sha256_of(bundle) if of == "archive" else None)
    assert [file.name for file in verify(folder).files] == [*SMALL]
    assert list((tmp_path / "cache/tmp").iterdir()) == []


def test_the_multilingual_text_model_is_in_the_archive_where_it_was_made(tmp_path: Path) -> None:
    made, bundle, folder = small_folder(tmp_path / "made"), tmp_path / name_of(), folder_of(tmp_path / "cache")
    pack(made, bundle)
    with pytest.raises(ModelError, match=r"lacks the text model e5: run `FRESHET_TEXT_MODEL=e5 freshet exp"):
        take(bundle, folder, text_model="e5")
    assert not folder.exists()
    take(bundle, folder)
    small_folder(made / OF_E5, "of e5")
    small_folder(made / SPEECH_FOLDER, "of speech")
    pack(made, bundle)
    with tarfile.open(bundle) as archive:
        within = [MANIFEST, LICENCES, *SMALL]
        folders = (OF_E5, SPEECH_FOLDER)
        assert archive.getnames() == [*within, *(f"{folder}/{name}" for folder in folders for name in within)]
    for source, cache in (
        (bundle, "cache"),
        (bundle, "empty"),
        (made, "from-folder"),
    ):  # the first has the rest
        take(source, folder_of(tmp_path / cache), text_model="e5")
        taken = folder_of(tmp_path / cache)
        assert [len(verify_for(taken, one)) for one in ("minilm", "e5")] == [2 * len(SMALL), 3 * len(SMALL)]
        assert (taken / OF_E5 / "a.txt").read_text() == "of e5"
        assert (taken / SPEECH_FOLDER / "a.txt").read_text() == "of speech"
        assert list((tmp_path / cache / "tmp").iterdir()) == []


def test_a_bundle_tells_whether_it_has_the_speech_detector(tmp_path: Path, bundle: Path) -> None:
    made, damaged = tmp_path / "made", tmp_path / "damaged.tar"
    damaged.write_bytes(b"no archive")
    assert not any(may_have_speech(one) for one in (bundle, made, damaged, tmp_path / "absent.tar"))
    small_folder(made / SPEECH_FOLDER)
    pack(made, bundle)
    assert may_have_speech(bundle) and may_have_speech(made)


def test_a_damaged_speech_detector_is_found_and_a_missing_one_is_not_asked_for(tmp_path: Path) -> None:
    folder = small_folder(tmp_path / "made")
    assert len(verify_for(folder, "minilm")) == len(SMALL)
    (small_folder(folder / SPEECH_FOLDER) / "a.txt").write_text("b")
    with pytest.raises(ModelError, match=f"{SPEECH_FOLDER}/a.txt differs from its sha256"):
        verify_for(folder, "minilm")


def archive_of(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def refused(bundle: Path, cache: Path, sha256: str | None = None) -> str:
    with pytest.raises(ModelError) as error:
        take(bundle, folder_of(cache), sha256)
    said = str(error.value)
    assert str(bundle) in said and said.endswith(".") and "\n" not in said and not folder_of(cache).exists()
    return said


def test_a_damaged_bundle_is_refused_in_one_sentence(tmp_path: Path, bundle: Path) -> None:
    manifest, cache = (tmp_path / "made" / MANIFEST).read_bytes(), tmp_path / "cache"
    damaged = tmp_path / "damaged.tar"
    content = bundle.read_bytes()
    for broken in (b"", b"no archive", content[:700], content[:-11000]):
        damaged.write_bytes(broken)
        assert "is not a whole bundle of models" in refused(damaged, cache)
    for members in ({}, {MANIFEST: manifest}, {MANIFEST: manifest, "a.txt": b"bb"}, {MANIFEST: b"{}", "a.txt": b"a"}):
        assert "`freshet models pack`" in refused(archive_of(damaged, members), cache)
    assert "another sha256" in refused(bundle, cache, "0" * 64)
    for sha256 in (None, "0" * 64):
        assert "No such file" in refused(tmp_path / "absent.tar", cache, sha256)
    assert "no sha256 to compare (Is a directory)" in refused(tmp_path / "made", cache, "0" * 64)


def test_a_bundle_of_another_version_names_both(tmp_path: Path) -> None:
    folder = small_folder(tmp_path / "made")
    other = Manifest({"a": "1"}, "0", (describe(folder / "a.txt", source="a test", licence="MIT"),))
    write(folder, other)
    pack(folder, tmp_path / "other.tar")
    said = refused(tmp_path / "other.tar", tmp_path / "cache")
    assert other.key in said and MODELS in said


@pytest.mark.parametrize("name", ["../../../escaped", "", ".", "..", "/a.txt", "a\0b", MANIFEST])
def test_a_name_that_is_not_plain_is_refused_from_an_archive_and_from_a_folder(tmp_path: Path, name: str) -> None:
    folder = small_folder(tmp_path / "a/b/c/made")
    (tmp_path / "a/escaped").write_text("a")
    write(folder, replace(read(folder), files=(replace(read(folder).files[0], name=name),)))
    bundle = archive_of(tmp_path / "out.tar", {name: b"a", MANIFEST: (folder / MANIFEST).read_bytes()})
    for one in (bundle, folder):
        assert "no plain name" in refused(one, tmp_path / "cache")
    assert not [*(tmp_path / "cache").rglob("escaped")]


@pytest.mark.parametrize("kept", [0, len(SMALL) - 1])
def test_a_manifest_that_lacks_a_file_is_not_whole(tmp_path: Path, kept: int) -> None:
    folder = small_folder(tmp_path / "made")
    write(folder, replace(read(folder), files=read(folder).files[:kept]))
    lacking = {0: SMALL[1]}.get(kept, SMALL[-1])
    assert f"{MANIFEST} does not list {lacking}" in refused(folder, tmp_path / "cache")


def test_what_is_larger_than_the_manifest_says_is_not_read(tmp_path: Path) -> None:
    manifest = (small_folder(tmp_path / "made") / MANIFEST).read_bytes()
    large = archive_of(tmp_path / "large.tar", {MANIFEST: manifest, "a.txt": bytes(1000)})
    assert "a.txt in it has 1000 bytes instead of 1)" in refused(large, tmp_path / "cache")
    padded = manifest + b" " * MOST_BYTES
    assert "instead of 1000000 at most" in refused(archive_of(large, {MANIFEST: padded}), tmp_path / "cache")
    (tmp_path / "made" / MANIFEST).write_bytes(padded)
    assert "has more than 1000000 bytes" in refused(tmp_path / "made", tmp_path / "cache")
