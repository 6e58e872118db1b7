"""The other views in a browser, what the page says when something is wrong, and that everybody can use it."""

import json
from pathlib import Path

import pytest

from tests.support.brokers import CACHE
from tests.support.page_browser import Page
from tests.support.page_server import World

AXE = CACHE.settings.cache_dir.parent / "axe/axe.min.js"
NOTE_NOTICES = """
const bar = document.getElementById("notice");
window.notices = [];
new MutationObserver(() => window.notices.push(bar.textContent)).observe(bar, {childList: true});
"""
VIEWS = {  # and what there is once one is drawn
    "": ".queue > li",
    "trending": ".tile",
    "search?q=nocturne": ".tile",
    "search": ".suggestions",
    "upload": "form",
    "operate": "tbody tr",
}


def open_view(page: Page, view: str) -> None:
    page.open(view)
    page.find(VIEWS[view])


def likes(world: World) -> int:
    """How many likes came; the card may have been watched for long enough to be said, too."""
    return [event["kind"] for event in world.events].count("like")


def test_what_trends_is_in_order_and_opens(clean: Page) -> None:
    open_view(clean, "trending")
    assert [tile.get_attribute("data-id") for tile in clean.all(".tile")][:3] == ["v0", "v1", "v2"]
    clean.click('.tile[data-id="v2"]')
    clean.until(lambda: clean.now() == "v2")


def test_search_finds_while_one_types(clean: Page, world: World) -> None:
    open_view(clean, "search")
    clean.find("#words").send_keys("tulips")
    clean.until(lambda: clean.all(".tile"))
    assert "tulips" in clean.text(".tile-title").lower()
    assert " ms" in clean.text(".search + .lead")
    clean.find("#words").clear()
    clean.find("#words").send_keys("nothing like it")
    clean.until(lambda: clean.text(".search + .lead").startswith("No videos"))
    clean.find("#words").clear()
    clean.find("#words").send_keys("?!")
    clean.until(lambda: clean.text(".search + .lead") == "There is no word in the query.")
    assert not clean.all(".tile") and not clean.find("#notice").is_displayed()


def test_an_upload_is_followed_to_where_it_is_found(clean: Page, world: World, tmp_path: Path) -> None:
    clip = tmp_path / "Street_food.mp4"
    clip.write_bytes(b"not really a clip")
    open_view(clean, "upload")
    clean.find("#clip").send_keys(str(clip))
    assert clean.find("#title").get_attribute("value") == "Street food"
    clean.find("#tags").send_keys("food, japan")
    clean.click(".upload .primary")
    for step in ("stored", "accepted", "known", "found"):
        clean.find(f'[data-step="{step}"][data-state="done"]')
    (upload,) = world.uploads
    assert {"title": "Street food", "tags": ["food", "japan"], "kind": "upload"}.items() <= upload.items()
    assert world.media[upload["media_uri"]] == b"not really a clip"
    assert clean.text('[data-step="known"] b').endswith("text: topic:food, image:ramen")


def test_an_upload_without_a_word_is_not_waited_for_in_the_search(clean: Page) -> None:
    open_view(clean, "upload")
    clean.find("#title").send_keys("?!")
    clean.click(".upload .primary")
    clean.until(lambda: clean.text('[data-step="found"] b') == "there is no word in it")
    clean.find('[data-step="known"][data-state="done"]')


def test_the_operator_sees_workers_latencies_and_dead_letters(clean: Page) -> None:
    open_view(clean, "operate")
    assert "Healthy" in clean.text(".health")
    assert "38 ms" in clean.text(".health")
    assert len(clean.all("tbody tr")) == 4 + 3  # workers, parts of the model
    assert len(clean.all(".histogram .bar")) > 5
    clean.until(lambda: "/s" in clean.text(".rates"))
    lines = {line.text for line in clean.all('[aria-label="Model"] .rates li')}
    assert len(lines) == 3 and {"calibration finish\n1.0200", "diversity\n0.5800"} < lines
    clean.click('[data-reason="schema"]')
    clean.until(lambda: "at_ms is missing" in clean.text(".letters-box"))
    assert not clean.all("pre img")


def test_nothing_is_wider_than_the_screen(clean: Page) -> None:
    wider = {}
    for view in VIEWS:
        open_view(clean, view)
        wider[view] = clean.run("return document.documentElement.scrollWidth - innerWidth")
    assert {view: px for view, px in wider.items() if px > 0} == {}


@pytest.mark.slow
def test_axe_finds_nothing_serious(page: Page) -> None:
    if not AXE.is_file():
        pytest.skip(f"axe-core is not there (npm pack axe-core, its axe.min.js into {AXE.parent})")
    page.look(dark=page.width > 500, still=True)
    for view in VIEWS:
        open_view(page, view)
        assert serious(page) == [], view
    page.open_feed()
    for dialog in (".why", ".action.similar", "#person"):
        page.click(dialog)
        page.find("dialog[open]")
        assert serious(page) == [], dialog
        page.click("dialog header .round")


def serious(page: Page) -> list[tuple[str, list[str]]]:
    """What axe-core holds against the page as it is, with where."""
    page.run(AXE.read_text("utf-8"))
    found = page.driver.execute_async_script("axe.run().then(arguments[0], (error) => arguments[0](String(error)))")
    assert not isinstance(found, str), found
    bad = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
    return [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in bad]


def test_a_keyboard_reaches_the_content_first_and_sees_where_it_is(clean: Page) -> None:
    clean.open_feed()
    clean.press("\ue004")  # Tab
    assert clean.run("return document.activeElement.className") == "skip-link"
    assert clean.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    clean.press("/")
    clean.until(lambda: clean.run("return document.activeElement.id") == "words")


def test_a_token_is_asked_for_and_used(page: Page, world: World) -> None:
    world.token = "s3cret"
    page.open()
    page.find("#token").send_keys("s3cret")
    page.click(".token-box .primary")
    page.until(lambda: page.now() and page.order())
    page.press("l")
    page.until(lambda: page.answers() == 1)
    assert page.driver.get_cookie("freshet_token")["sameSite"] == "Strict"
    assert not page.find("#notice").is_displayed()


def test_while_the_catalogue_is_read_the_page_says_so_and_goes_on_by_itself(page: Page, world: World) -> None:
    world.catalogue_read = False
    page.open()
    page.until(lambda: page.text("#notice").startswith("Not ready yet: The catalogue is being read."))
    world.catalogue_read = True
    page.until(lambda: page.now() and page.order())
    assert not page.find("#notice").is_displayed()


def test_a_like_while_the_api_is_away_is_said_and_sent_later(page: Page, world: World) -> None:
    page.open_feed()
    page.offline(True)
    page.press("l")
    page.until(lambda: page.text("#notice").startswith("The API does not answer."))
    page.until(lambda: page.text(".pulse-text") == "not live", "it calls itself live")
    assert world.events == []
    page.offline(False)
    page.until(lambda: [event["kind"] for event in world.events] == ["like"])
    page.until(lambda: not page.find("#notice").is_displayed())
    page.until(lambda: page.text(".pulse-text") != "not live", "it stays away")


def test_a_like_while_the_api_is_away_is_sent_later_from_another_view_too(page: Page, world: World) -> None:
    page.open_feed()
    page.offline(True)
    page.press("l")
    page.until(lambda: page.text("#notice").startswith("The API does not answer."))
    page.click('.tabs a[data-view="upload"]')
    assert page.find("#notice").is_displayed()
    page.offline(False)
    page.until(lambda: likes(world) == 1)
    page.until(lambda: not page.find("#notice").is_displayed())


def test_a_like_that_was_refused_for_its_token_is_sent_with_another(page: Page, world: World) -> None:
    page.open_feed()
    world.token = "s3cret"
    page.press("l")
    page.find("#token").send_keys("s3cret")
    page.click(".token-box .primary")
    page.until(lambda: likes(world) == 1)


def test_an_upload_while_the_api_is_away_is_sent_later_and_once(page: Page, world: World, tmp_path: Path) -> None:
    clip = tmp_path / "street_food.mp4"
    clip.write_bytes(b"not a clip")
    page.open("upload")
    page.find("#clip").send_keys(str(clip))
    page.offline(True)
    page.click("form.upload button.primary")
    page.until(lambda: page.text("#notice").startswith("The API does not answer. Trying again."))
    page.offline(False)
    page.until(lambda: [upload["title"] for upload in world.uploads] == ["street food"])
    page.until(lambda: page.text('[data-step="found"] b') and not page.find("#notice").is_displayed())
    assert page.run("return document.querySelector('form.upload button').disabled") is False
    assert list(world.media) == [world.uploads[0]["media_uri"]]


def test_what_was_not_confirmed_is_sent_again_as_the_same_event(page: Page, world: World) -> None:
    page.open_feed()
    page.run(NOTE_NOTICES)
    world.unsure = True
    page.press("l")
    first, again = page.until(lambda: len(world.events) == 2 and world.events)
    assert first == again and first["kind"] == "like"
    said = page.run("return window.notices.filter(Boolean)")
    assert said and all(one.startswith("What you did is not stored yet. Trying again.") for one in said)


def test_messages_are_what_the_schema_asks_for(page: Page, world: World) -> None:
    from schemas.messages import feedback

    page.open_feed()
    page.press("l")
    page.press("j")
    page.press("s")
    page.press("h")
    page.until(lambda: world.events and world.events[-1]["kind"] == "hide")
    for event in world.events:
        feedback.decode(json.dumps(event).encode())
