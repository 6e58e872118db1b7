"""The socket that the API listens on."""

import socket
from pathlib import Path

import pytest

from schemas.settings.model import Settings
from streams.api.server import _bound
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


def test_missing_models_are_told_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRESHET_CACHE_DIR", str(tmp_path))
    ended = Freshet(capsys)("api")
    assert ended.code == 2
    assert "manifest.json cannot be read" in ended.err
    assert "run `freshet export`" in ended.err
    assert "Traceback" not in ended.err
