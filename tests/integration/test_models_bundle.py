"""`freshet models pack` on one machine and FRESHET_MODELS on another."""

import fcntl
import re
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from encoders.base import ModelError
from encoders.models.bundle import pack
from encoders.models.manifest import SPEECH_FOLDER, folder_of, has_speech, sha256_of, verify, verify_for
from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.operations import models as operation
from streams.operations.models import download, packed, provide
from tests.support.command import Freshet
from tests.support.models import small_folder


def test_what_one_machine_packs_another_takes_and_fetches_nothing(
    tmp_path: Path, freshet: Freshet, offline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRESHET_CACHE_DIR", str(tmp_path / "one"))
    small_folder(folder_of(tmp_path / "one"))
    ran = freshet("models", "pack", "--to", str(tmp_path))
    told = re.search(r"FRESHET_MODELS=\S+/(\S+)#sha256=(\w{64})", ran.err)
    assert ran.code == 0 and told is not None
    bundle = tmp_path / told[1]
    assert sha256_of(bundle) == told[2]
    for cache, models in (("two", str(bundle)), ("three", f"{bundle}#sha256={told[2]}")):
        settings, said = Settings(cache_dir=tmp_path / cache, models=models), list[str]()
        assert verify(provide(settings, said.append)) == verify(folder_of(tmp_path / "one"))
        assert said[0] == f"models: taking them from {bundle}" and said[-1].endswith("is ready")
        said.clear()
        provide(settings, said.append)
        assert said == [f"models: {folder_of(tmp_path / cache)} is complete and unchanged"]


def test_an_address_needs_https_and_a_hash(tmp_path: Path) -> None:
    sha256 = "0" * 64
    for models in (f"http://a.example/m.tar#sha256={sha256}", "https://a.example/m.tar", "ftp://a.example/m.tar"):
        with pytest.raises(OperatorError, match="could be anybody's"):
            provide(Settings(cache_dir=tmp_path, models=models), print)


def test_what_an_address_does_not_give_is_one_sentence(tmp_path: Path) -> None:
    models = f"https://127.0.0.1:9/m.tar#sha256={'0' * 64}"
    with pytest.raises(OperatorError, match=r"The models cannot be fetched from https://127\.0\.0\.1:9/m\.tar"):
        provide(Settings(cache_dir=tmp_path, models=models), print)
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("models", "said"),
    [
        (f"/missing.tar#sha256={'0' * 64}", r"/missing\.tar has no sha256 to compare \(No such file"),
        (f"/#sha256={'0' * 64}", r"/ has no sha256 to compare \(Is a directory"),
        (f"https://[bad#sha256={'0' * 64}", r"cannot be fetched from https://\[bad"),
        (f"https://a:b/#sha256={'0' * 64}", r"cannot be fetched from https://a:b/ \(Invalid port"),
        ("/missing.tar#sha256=", r"What follows # in /missing\.tar#sha256= is no sha256"),
    ],
)
def test_a_setting_that_names_no_bundle_is_one_sentence(tmp_path: Path, models: str, said: str) -> None:
    with pytest.raises((ModelError, OperatorError), match=said):
        provide(Settings(cache_dir=tmp_path, models=models), print)


def test_a_second_process_waits_and_then_has_what_the_first_took(tmp_path: Path) -> None:
    waits, said = threading.Event(), list[str]()

    def say(line: str) -> None:
        said.append(line)
        waits.set()

    with (tmp_path / "export.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        settings = Settings(cache_dir=tmp_path, models="/missing.tar")
        second = threading.Thread(target=lambda: provide(settings, say))
        second.start()
        assert waits.wait(timeout=60)
        small_folder(folder_of(tmp_path))
    second.join(timeout=60)
    assert said[1:] == [f"models: {folder_of(tmp_path)} is ready"]


@pytest.fixture
def bundles(tmp_path: Path) -> dict[str, Path]:
    """Of an earlier version, without the speech detector, and of this one, with it."""
    made, found = small_folder(tmp_path / "made"), {name: tmp_path / f"{name}.tar" for name in ("old", "new")}
    pack(made, found["old"])
    small_folder(made / SPEECH_FOLDER)
    pack(made, found["new"])
    return found


def provided(cache: Path, models: str) -> list[str]:
    said = list[str]()
    provide(Settings(cache_dir=cache, models=models), said.append)
    return said


def test_the_speech_detector_is_taken_when_a_bundle_has_it(tmp_path: Path, bundles: dict[str, Path]) -> None:
    cache = tmp_path / "cache"
    folder = folder_of(cache)
    whole = [f"models: {folder} is complete and unchanged"]
    provided(cache, str(bundles["old"]))
    assert not has_speech(folder)
    for models in (bundles["old"], tmp_path / "absent.tar"):
        assert provided(cache, str(models)) == whole
    assert provided(cache, str(bundles["new"]))[0] == f"models: taking them from {bundles['new']}"
    verify(folder / SPEECH_FOLDER)
    assert provided(cache, str(bundles["new"])) == provided(cache, str(bundles["old"])) == whole


def test_a_damaged_speech_detector_is_replaced_or_removed(tmp_path: Path, bundles: dict[str, Path]) -> None:
    cache = tmp_path / "cache"
    folder = folder_of(cache)
    provided(cache, str(bundles["new"]))
    (folder / SPEECH_FOLDER / "a.txt").write_text("b")
    provided(cache, str(bundles["new"]))
    assert verify_for(folder, "minilm") and has_speech(folder)
    (folder / SPEECH_FOLDER / "a.txt").write_text("b")
    said = provided(cache, str(bundles["old"]))
    assert verify_for(folder, "minilm") and not has_speech(folder)
    assert any("was damaged and is removed" in one for one in said)


def test_an_address_is_fetched_once_for_the_speech_detector_and_failing_is_no_error(
    tmp_path: Path, bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, fetched = tmp_path / "cache", list[str]()

    def fetch(url: str, path: Path, report: object) -> str:
        fetched.append(url)
        shutil.copy(bundles[url.rpartition("/")[2]], path)
        return sha256_of(path)

    address = {name: f"https://a.example/{name}#sha256={sha256_of(path)}" for name, path in bundles.items()}
    monkeypatch.setattr(operation, "download", fetch)
    for name in ("old", "old", "new", "new"):
        provided(cache, address[name])
    assert [url.rpartition("/")[2] for url in fetched] == ["old", "new"]
    verify(folder_of(cache) / SPEECH_FOLDER)
    shutil.rmtree(folder_of(cache) / SPEECH_FOLDER)
    said = provided(cache, f"https://a.example/old#sha256={'0' * 64}")
    assert "stays without the speech detector" in said[-2] and said[-1].endswith("is ready")


def test_models_that_were_never_made_are_not_packed(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="run `freshet export`"):
        packed(Settings(cache_dir=tmp_path), tmp_path)


def test_an_archive_is_fetched_piece_by_piece_and_hashed_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.tar").write_bytes(bytes(range(256)) * 100_000)  # 25.6 MB
    serving = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path)))
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    url, said = f"http://127.0.0.1:{serving.server_port}/m.tar", list[str]()
    try:
        assert download(url, tmp_path / "fetched", said.append) == sha256_of(tmp_path / "m.tar")
        monkeypatch.setattr(operation, "MOST_BYTES", 1_000_000)
        with pytest.raises(ValueError, match="more than 1 MB"):
            download(url, tmp_path / "too-large", print)
    finally:
        serving.shutdown()
        serving.server_close()
    assert (tmp_path / "fetched").read_bytes() == (tmp_path / "m.tar").read_bytes()
    assert said[0] == f"models: fetching {url} (25 MB)" and said[1].endswith("of 25 MB fetched")
