"""The socket that the API listens on."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import cast

import pytest

from schemas.settings.load import SettingsError
from schemas.settings.model import Settings
from schemas.settings.plugins import load_function
from streams.api.server import _bound, serve
from streams.api.services import Services, open_store
from streams.errors import OperatorError
from tests.support.command import Freshet


def test_a_port_that_is_taken_is_an_error_in_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(OperatorError, match=f"cannot listen on 127.0.0.1 port {port}: Address already in use"):
            _bound(Settings(data_dir=tmp_path, api_port=port))


def test_answers_are_sent_at_once(tmp_path: Path) -> None:
    with _bound(Settings(data_dir=tmp_path, api_port=0)) as bound:
        assert bound.proto == socket.IPPROTO_TCP  # else asyncio sets no TCP_NODELAY, and each answer takes 40 ms


def test_slates_that_cannot_be_opened_are_told_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def opened(settings: Settings) -> AsyncIterator[Services]:
        with closing(open_store(settings)):  # as another process of this data folder holds them
            yield cast(Services, open_store(settings))

    monkeypatch.setattr("streams.api.server.open_services", opened)
    with pytest.raises(OperatorError, match="Another `freshet api` may run on this data folder"):
        serve(Settings(data_dir=tmp_path, api_port=0), lambda _: None)
    said = capsys.readouterr()
    assert "Traceback" not in said.err + said.out


def test_a_feed_that_is_not_there_is_told_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def opened(_: Settings) -> AsyncIterator[Services]:
        yield load_function("FRESHET_FEED", "no_such_module:build")(None)

    monkeypatch.setattr("streams.api.server.open_services", opened)
    with pytest.raises(SettingsError, match="there is no module no_such_module"):
        serve(Settings(data_dir=tmp_path, api_port=0), lambda _: None)
    assert "Traceback" not in capsys.readouterr().err


def test_a_redis_that_is_away_is_told(tmp_path: Path) -> None:
    pytest.importorskip("redis")
    with pytest.raises(OperatorError, match=r"at 127\.0\.0\.1 does not answer: ") as refused:
        open_store(Settings(data_dir=tmp_path, slates_url="redis://127.0.0.1:1"))
    assert ".." not in str(refused.value)


def test_missing_models_are_told_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRESHET_CACHE_DIR", str(tmp_path))
    ended = Freshet(capsys)("api")
    assert ended.code == 2
    assert "manifest.json cannot be read" in ended.err
    assert "run `freshet export`" in ended.err
    assert "Traceback" not in ended.err
