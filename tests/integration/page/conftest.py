"""A browser for all tests of the page, and for each a page of its own before a server of its own."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support.page_server import World, serving

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

    from tests.support.page_browser import Page

WIDTHS = (375, 1280)


@pytest.fixture(scope="package")
def driver() -> Iterator["Chrome"]:
    pytest.importorskip("selenium", reason="selenium is not installed (make setup)")
    from tests.support.page_browser import missing, start

    if why := missing():
        pytest.skip(why)
    running = start()
    yield running
    running.quit()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(params=WIDTHS)
def page(driver: "Chrome", world: World, request: pytest.FixtureRequest) -> Iterator["Page"]:
    from tests.support.page_browser import Page

    with serving(world) as address:
        yield Page(driver, address, request.param)
        driver.get("about:blank")


@pytest.fixture
def clean(page: "Page") -> Iterator["Page"]:
    """A page that says nothing to the console and asks no other host, as is checked in the end."""
    yield page
    assert page.console() == []
    assert page.hosts() == {page.address.removeprefix("http://")}
