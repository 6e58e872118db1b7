"""The playground: it starts, does what it shows, and leaves nothing behind."""

from pathlib import Path

import pytest

from schemas.settings.model import Settings
from streams.local.broker import LocalBroker, free_port
from tests.support.brokers import CACHE
from tests.support.command import freshet

pytestmark = pytest.mark.connected


def test_the_playground_answers_likes_and_ends(broker: LocalBroker, tmp_path: Path) -> None:
    folders = {"data_dir": tmp_path, "cache_dir": CACHE.settings.cache_dir}
    settings = Settings(bootstrap=broker.bootstrap, api_port=free_port(), **folders)
    ran = freshet(settings, "playground", "--check")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "three likes of one subject" in ran.stdout and "like → slate over HTTP" in ran.stdout
