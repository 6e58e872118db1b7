"""Fetching media: what is asked is on the list and public, what is not is never even connected to."""

import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from urllib.parse import quote

import pytest
import pytest_asyncio

from encoders.media.types import MediaError
from schemas.messages.dead_letters import Reason
from schemas.settings.media_hosts import hosts
from streams.encoding.fetch import Rules, fetch
from streams.encoding.local_files import UrlForbidden
from tests.support.addresses import ALLOWED, ELSEWHERE, FORBIDDEN, LISTED
from tests.support.certificates import Authority, Signed
from tests.support.sites import HOST, PUBLIC, VIDEO, Net, Site, site


@dataclass
class World:
    """A public site by TLS, a private one in the clear, and the network between."""

    public: Site
    private: Site
    net: Net
    trust: ssl.SSLContext
    rules: Rules

    async def fetch(self, uri: str, **changes: object) -> bytes:
        return await fetch(uri, replace(self.rules, **changes), self.net.wire(self.trust))

    async def fetch_trusting(self, uri: str) -> bytes:
        """With the private site's origin on the list."""
        return await self.fetch(uri, hosts=hosts(f"{LISTED}, http://{HOST}:{self.private.port}"))


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, Signed]:
    authority = Authority(tmp_path_factory.mktemp("certificates"), "authority")
    return authority, authority.sign("site", "DNS:media.test,DNS:*.cdn.test,DNS:b.a.cdn.test")


@pytest_asyncio.fixture
async def world(signed: tuple[Authority, Signed]) -> AsyncIterator[World]:
    authority, certificate = signed
    async with AsyncExitStack() as stack:
        public = await stack.enter_async_context(site(certificate))
        private = await stack.enter_async_context(site())
        names = {f"{name}.cdn.test": [addresses] for name, addresses in ELSEWHERE.items()}
        net = Net(names, {(PUBLIC, 443): public.port, (HOST, 443): private.port})
        trust = ssl.create_default_context(cafile=str(authority.certificate))
        yield World(public, private, net, trust, Rules(hosts(LISTED), None, 100_000, 10.0))


def test_the_tables_are_as_long_as_promised() -> None:
    assert len(set(FORBIDDEN)) == len(FORBIDDEN) >= 100


async def test_nothing_forbidden_is_connected_to(world: World) -> None:
    for pattern in FORBIDDEN:
        uri = pattern.replace("{private}", str(world.private.port))
        with pytest.raises(UrlForbidden) as caught:
            await world.fetch(uri)
        assert caught.value.reason is Reason.URL_FORBIDDEN, uri
        assert str(caught.value).isprintable() and "swordfish" not in str(caught.value), uri
        assert world.net.connected == [], uri
    assert world.public.asked == world.private.asked == []
    assert set(world.net.resolved) <= {f"{name}.cdn.test" for name in ELSEWHERE}  # no other name was even looked up


async def test_what_is_allowed_arrives_as_it_was_written(world: World) -> None:
    for uri in ALLOWED:
        assert await world.fetch(uri) == VIDEO, uri
    assert world.public.asked == list(ALLOWED.values())
    assert world.private.asked == []
    assert set(world.net.connected) == {(PUBLIC, 443)}


async def test_an_empty_list_lets_nothing_be_fetched(world: World) -> None:
    with pytest.raises(UrlForbidden, match="not among media_hosts"):
        await world.fetch("https://media.test/v", hosts=hosts(""))
    assert world.net.resolved == []


async def test_a_listed_origin_may_be_private_and_in_the_clear_and_is_no_more_than_that(world: World) -> None:
    here = f"http://{HOST}:{world.private.port}"
    assert await world.fetch_trusting(f"{here}/v") == VIDEO
    assert world.private.asked == [f"GET {HOST}:{world.private.port} /v"]
    for other in (f"https://{HOST}:{world.private.port}/v", f"http://{HOST}:{world.private.port + 1}/v"):
        with pytest.raises(UrlForbidden):
            await world.fetch_trusting(other)


async def test_a_name_that_changes_its_address_is_resolved_once_and_asked_where_it_was_looked_at(world: World) -> None:
    world.net.names = {"media.test": [[PUBLIC], [HOST]]}
    assert await world.fetch("https://media.test/v") == VIDEO
    assert (world.net.resolved, world.net.connected) == (["media.test"], [(PUBLIC, 443)])
    with pytest.raises(UrlForbidden, match=r"media\.test has the address 127\.0\.0\.1, which is not public"):
        await world.fetch("https://media.test/v")
    assert world.private.asked == []


async def test_a_redirect_is_looked_at_like_any_address(world: World) -> None:
    for pattern in FORBIDDEN:
        target = pattern.replace("{private}", str(world.private.port))
        if not target.isprintable() or not target.isascii() or target != target.strip() or " " in target:
            continue  # cannot stand in a header
        if target.startswith("//") or "://" not in target:
            continue  # relative to the one before
        with pytest.raises(UrlForbidden):
            await world.fetch(f"https://media.test/to?{quote(target)}")
    assert len(world.public.asked) > 60
    assert set(world.net.connected) == {(PUBLIC, 443)}
    assert world.private.asked == []


async def test_three_redirects_are_followed_and_a_fourth_is_not(world: World) -> None:
    assert await world.fetch("https://media.test/to?/to?/to?https://a.cdn.test/v") == VIDEO
    assert world.public.asked[-1] == "GET a.cdn.test /v"
    with pytest.raises(MediaError, match="after 3 redirects"):
        await world.fetch("https://media.test/to?/to?/to?/to?/v")
    with pytest.raises(UrlForbidden, match="which is not an address"):
        await world.fetch("https://media.test/to?//[media.test]/")
    with pytest.raises(MediaError, match="after 3 redirects"):
        await world.fetch("https://media.test/to?to?to?to?to?to?to?to?to")


async def test_a_public_site_cannot_send_us_to_a_private_one_unless_that_is_listed(world: World) -> None:
    inside = f"https://media.test/to?http://{HOST}:{world.private.port}/v"
    with pytest.raises(UrlForbidden):
        await world.fetch(inside)
    assert world.private.asked == []
    assert await world.fetch_trusting(inside) == VIDEO


async def test_a_certificate_of_another_name_is_refused(world: World) -> None:
    with pytest.raises(MediaError, match=r"https://wrong\.test cannot be reached .*certificate"):
        await world.fetch("https://wrong.test/v", hosts=hosts("wrong.test"))
    assert world.public.asked == []


@pytest.mark.parametrize(
    ("path", "passing"), [("404", False), ("403", False), ("206", False), ("429", True), ("503", True)]
)
async def test_a_status_says_whether_trying_again_may_help(world: World, path: str, passing: bool) -> None:
    with pytest.raises(MediaError, match=rf"https://media\.test answered {path}") as caught:
        await world.fetch(f"https://media.test/status/{path}")
    assert caught.value.passing is passing
    assert caught.value.reason is Reason.MEDIA


@pytest.mark.parametrize("path", ["huge", "endless"])
async def test_no_more_bytes_are_read_than_are_allowed(world: World, path: str) -> None:
    with pytest.raises(MediaError, match="answered with more than 100000 bytes") as caught:
        await world.fetch(f"https://media.test/{path}")
    assert not caught.value.passing


@pytest.mark.parametrize("path", ["drip", "silent"])
async def test_a_site_that_takes_its_time_is_left_at_the_deadline(world: World, path: str) -> None:
    with pytest.raises(MediaError, match=r"took longer than 0\.3 s") as caught:
        await world.fetch(f"https://media.test/{path}?signature=swordfish", wall_s=0.3)
    assert caught.value.passing
    assert "swordfish" not in str(caught.value)


@pytest.mark.parametrize("path", ["short", "rubbish"])
async def test_an_answer_that_breaks_off_or_is_none_may_be_asked_for_again(world: World, path: str) -> None:
    with pytest.raises(MediaError, match=r"https://media\.test cannot be reached") as caught:
        await world.fetch(f"https://media.test/{path}")
    assert caught.value.passing


async def test_the_next_address_is_tried_when_the_first_is_down(world: World) -> None:
    world.net.names = {"media.test": [["93.184.215.15", PUBLIC]]}
    assert await world.fetch("https://media.test/v") == VIDEO
    world.net.names = {"media.test": [["93.184.215.15"]]}
    with pytest.raises(MediaError, match=r"93\.184\.215\.15 is nowhere") as caught:
        await world.fetch("https://media.test/v")
    assert caught.value.passing


async def test_the_environment_names_no_proxy_to_us(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, f"http://{HOST}:{world.private.port}")
    assert await world.fetch("https://media.test/v") == VIDEO
    assert world.private.asked == []


@pytest.mark.parametrize(
    "entry",
    ["10.0.0.7", "media.test:443", "ftp://media.test", "http://ana@media.test", "*", "*.", "a b", "http://h/path"],
)
def test_an_entry_of_the_list_that_says_nothing_clear_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match=r"is no host name|is not of the form"):
        hosts(f"media.test, {entry}")
