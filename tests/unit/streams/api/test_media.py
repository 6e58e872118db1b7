"""Media files by HTTP."""

import os
from pathlib import Path

import pytest

from schemas.settings.model import Settings
from tests.support.api import Api, running


def root_of(api: Api) -> Path:
    return Path(api.settings.media_root)


async def test_a_file_is_stored_whole_and_served_in_ranges(api: Api) -> None:
    answer = await api.http.put("/v1/media/clips/cat.mp4", content=b"0123456789")
    assert (answer.status_code, answer.json()) == (201, {"media_uri": "clips/cat.mp4", "bytes": 10})
    assert (root_of(api) / "clips/cat.mp4").read_bytes() == b"0123456789"
    assert [path.name for path in (root_of(api) / "clips").iterdir()] == ["cat.mp4"]
    whole = await api.http.get("/v1/media/clips/cat.mp4")
    assert (whole.content, whole.headers["content-type"]) == (b"0123456789", "video/mp4")
    part = await api.http.get("/v1/media/clips/cat.mp4", headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    beyond = await api.http.get("/v1/media/clips/cat.mp4", headers={"Range": "bytes=20-"})
    assert beyond.status_code == 416


async def test_another_user_may_read_what_is_stored_whatever_the_umask(api: Api) -> None:
    umask = os.umask(0o077)  # as the units in deploy/systemd set it
    try:
        await api.http.put("/v1/media/clips/cats/cat.mp4", content=b"0123456789")
    finally:
        os.umask(umask)
    made = [root_of(api) / name for name in ("clips", "clips/cats", "clips/cats/cat.mp4")]
    assert [oct(path.stat().st_mode & 0o777) for path in made] == ["0o755", "0o755", "0o644"]


async def test_a_file_is_replaced_at_once_and_stays_where_the_new_one_is_too_large(api: Api) -> None:
    await api.http.put("/v1/media/a.jpg", content=b"old")
    assert (await api.http.put("/v1/media/a.jpg", content=b"x" * 1001)).status_code == 413

    async def in_chunks():  # type: ignore[no-untyped-def]
        for _ in range(20):
            yield b"x" * 100

    assert (await api.http.put("/v1/media/a.jpg", content=in_chunks())).status_code == 413
    assert [(path.name, path.read_bytes()) for path in root_of(api).iterdir()] == [("a.jpg", b"old")]
    assert (await api.http.put("/v1/media/a.jpg", content=b"new")).status_code == 201
    assert (await api.http.get("/v1/media/a.jpg")).content == b"new"


@pytest.mark.parametrize(
    "name",
    [
        "..%2Fout.mp4",
        "a/%2E%2E/%2E%2E/out.mp4",
        "%2Fetc/passwd",
        ".hidden",
        "a//b.mp4",
        "a%00.mp4",
        "a%5Cb",
        "%20.mp4",
        "x" * 300,
        "a/" * 9 + "b",
    ],
)
async def test_no_name_leads_out_of_the_root(api: Api, name: str) -> None:
    before = sorted(root_of(api).parent.rglob("*"))
    assert (await api.http.put(f"/v1/media/{name}", content=b"x")).status_code == 422
    assert (await api.http.get(f"/v1/media/{name}")).status_code == 422
    assert sorted(root_of(api).parent.rglob("*")) == before


async def test_no_link_leads_out_of_the_root(api: Api, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    (root_of(api) / "folder").symlink_to(tmp_path)
    (root_of(api) / "file.txt").symlink_to(tmp_path / "secret.txt")
    for name in ("folder/secret.txt", "file.txt"):
        assert (await api.http.get(f"/v1/media/{name}")).status_code == 404
        assert (await api.http.put(f"/v1/media/{name}", content=b"x")).status_code == 404
    assert (tmp_path / "secret.txt").read_text() == "secret"


async def test_a_page_is_a_download_and_runs_nowhere(api: Api) -> None:
    await api.http.put("/v1/media/evil.html", content=b"<script>alert(1)</script>")
    answer = await api.http.get("/v1/media/evil.html")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox")


async def test_a_folder_is_no_file(api: Api) -> None:
    await api.http.put("/v1/media/a/b.mp4", content=b"x")
    assert (await api.http.put("/v1/media/a", content=b"x")).status_code == 409
    assert (await api.http.put("/v1/media/a/b.mp4/c", content=b"x")).status_code == 409
    assert (await api.http.get("/v1/media/b")).status_code == 404


async def test_without_a_media_root_there_are_no_media(tmp_path: Path) -> None:
    async with running(Settings(data_dir=tmp_path)) as api:
        assert (await api.http.put("/v1/media/a.mp4", content=b"x")).status_code == 403
        assert (await api.http.get("/v1/media/a.mp4")).status_code == 403
