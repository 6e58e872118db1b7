"""`freshet models pack` on one machine and FRESHET_MODELS on another."""

import fcntl
import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from encoders.base import ModelError
from encoders.models.manifest import folder_of, sha256_of, verify
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
