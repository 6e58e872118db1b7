"""Media from a folder: what lies below it is read, and nothing else on this machine."""

import os
from pathlib import Path

import pytest

from encoders.media.types import MediaError
from schemas.settings.media_hosts import hosts
from streams.encoding.fetch import Rules, fetch
from streams.encoding.local_files import UrlForbidden
from tests.support.sites import VIDEO


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder with a video, one in a folder, links of all kinds, and a secret beside it."""
    root = tmp_path / "media"
    (root / "a").mkdir(parents=True)
    (root / "v7.mp4").write_bytes(VIDEO)
    (root / "a" / "v 8.mp4").write_bytes(VIDEO)
    (tmp_path / "secret").write_bytes(b"secret")
    (root / "inside").symlink_to("a/v 8.mp4")
    (root / "outside").symlink_to("../secret")
    (root / "up").symlink_to("..")
    (root / "circle").symlink_to("circle")
    (root / "null").symlink_to(os.devnull)
    os.mkfifo(root / "pipe")
    return root


async def from_shelf(uri: str, root: Path) -> bytes:
    return await fetch(uri, Rules(hosts(""), root, 1000, 10.0))


@pytest.mark.parametrize(
    "uri",
    ["v7.mp4", "/v7.mp4", "a/v 8.mp4", "a/../v7.mp4", "inside", "file:v7.mp4", "file:///a/v%208.mp4", "FILE:///v7.mp4"],
)
async def test_a_file_below_the_folder_is_read(shelf: Path, uri: str) -> None:
    assert await from_shelf(uri, shelf) == VIDEO


@pytest.mark.parametrize(
    "uri",
    [
        *(
            "../secret",
            "a/../../secret",
            "/../secret",
            "file:///../secret",
            "file:///%2e%2e/secret",
            "outside",
            "up/secret",
        ),
        *(
            "up/media/../secret",
            "null",
            "pipe",
            ".",
            "",
            "a",
            "a/",
            "v7.mp4\0.txt",
            "file:///v7.mp4%00",
            "file://evil.test/v7.mp4",
        ),
    ],
)
async def test_what_leads_out_of_the_folder_or_is_no_file_is_forbidden(shelf: Path, uri: str) -> None:
    with pytest.raises(UrlForbidden):
        await from_shelf(uri, shelf)


@pytest.mark.parametrize("uri", ["none.mp4", "v7.mp4/x", "circle", "/etc/hostname", "a/" + "b" * 5000])
async def test_a_file_that_is_not_there_is_said_to_be_missing(shelf: Path, uri: str) -> None:
    with pytest.raises(MediaError, match="cannot be read below media_root"):
        await from_shelf(uri, shelf)


async def test_a_file_that_is_too_large_is_not_read(shelf: Path) -> None:
    (shelf / "large").write_bytes(bytes(1001))
    with pytest.raises(MediaError, match="has more than 1000 bytes"):
        await from_shelf("large", shelf)
