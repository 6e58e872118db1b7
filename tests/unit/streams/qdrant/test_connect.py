"""Which addresses a Qdrant client is made for, where its key may go, and whose collections are whose."""

import logging

import pytest

from schemas.settings.model import Settings
from streams.qdrant.client import IndexRefused, connect
from streams.qdrant.index import QdrantIndex, open_index
from streams.qdrant.mapping import alias_of
from tests.support.indexed_videos import DIM, ENCODER, shelf
from tests.support.qdrant_stub import LOCAL_MODE, Answer, QdrantStub

pytestmark = LOCAL_MODE


@pytest.mark.parametrize(
    "url",
    [
        "http://qdrant.example:6333",
        "http://10.0.0.7:6333",
        "http://127.0.0.1.example.com",
        "http://localhost.example",
    ],
)
def test_a_key_never_goes_over_plain_http_to_another_machine(url: str) -> None:
    with pytest.raises(ValueError, match="in the clear; use https") as caught:
        connect(url, api_key="s3cret")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "ftp://qdrant", "http://", "http://127.0.0.1@qdrant.example"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="FRESHET_QDRANT_URL is not of the form"):
        connect(url)
    with pytest.raises(ValueError, match="FRESHET_QDRANT_URL has no scheme; write http://qdrant:6333"):
        connect("qdrant:6333")


@pytest.mark.parametrize(
    ("url", "rest"),
    [
        ("https://qdrant.example", "https://qdrant.example:6333"),
        ("https://qdrant.example:443/base/", "https://qdrant.example:443/base"),
        ("http://127.0.0.1:7", "http://127.0.0.1:7"),
        ("http://[::1]:6333", "http://[::1]:6333"),
    ],
)
async def test_a_key_goes_over_tls_or_stays_on_this_machine(url: str, rest: str) -> None:
    client = connect(url, api_key="s3cret")
    assert client._client.rest_uri == rest  # type: ignore[attr-defined]
    await client.close()


async def test_the_key_is_sent_where_it_may_be(stub: QdrantStub) -> None:
    index = QdrantIndex(connect(stub.url, api_key="s3cret"), "videos", DIM, ENCODER)
    await index.start()
    await index.close()
    assert {asked.headers.get("api-key") for asked in stub.asked} == {"s3cret"}


@pytest.mark.parametrize(("status", "said"), [(401, "does not accept the key"), (403, "does not allow the key")])
async def test_a_wrong_key_is_one_sentence(stub: QdrantStub, status: int, said: str) -> None:
    stub.always = Answer(status)
    index = QdrantIndex(connect(stub.url, api_key="s3cret"), "videos", DIM, ENCODER)
    with pytest.raises(IndexRefused, match=f"^Qdrant {said} in FRESHET_QDRANT_API_KEY [^\n]*HTTP {status}") as caught:
        await index.start()
    await index.close()
    assert "s3cret" not in str(caught.value)


async def test_requests_are_not_logged_one_by_one(stub: QdrantStub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    index = QdrantIndex(connect(stub.url), "videos", DIM, ENCODER)
    await index.start()
    await index.upsert(shelf(3))
    await index.close()
    assert len(stub.asked) > 3 and not [one for one in caplog.records if one.name.startswith("http")]


async def test_two_installations_on_one_server_do_not_meet(stub: QdrantStub) -> None:
    one, two = (Settings(qdrant_url=stub.url, prefix=prefix) for prefix in ("one.", "two."))
    ours, theirs = await open_index(one, DIM, "fused@3"), await open_index(two, DIM, "fused@3")
    await ours.upsert(shelf(3))
    await theirs.remove(["v000"])
    assert (await ours.count(), await theirs.count()) == (3, 0)
    assert alias_of(one) == "one.videos"
    await ours.close()
    await theirs.close()


async def test_a_proxy_of_the_environment_is_not_asked_about_this_machine(
    stub: QdrantStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    index = QdrantIndex(connect(stub.url), "videos", DIM, ENCODER)
    await index.start()
    await index.close()
