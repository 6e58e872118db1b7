"""The API as its tests begin."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from schemas.settings.model import Settings
from tests.support.api import Api, running


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """Without tokens, with a media root."""
    root = tmp_path / "media"
    root.mkdir()
    async with running(Settings(data_dir=tmp_path / "data", media_root=str(root), media_bytes=1000)) as found:
        yield found
