"""The feed in a browser: what a person does re-orders the slate before their eyes, by click, swipe and key."""

import re
import time

import pytest

from tests.support.page_browser import Page
from tests.support.page_server import HOSTILE, World

TO_THE_END = "const to = document.querySelector('.watched'); to.value = 1000; to.dispatchEvent(new Event('input'))"
NOTE_MOVES = """
const animate = Element.prototype.animate;
window.moved = new Set();
Element.prototype.animate = function (...how) {
  if (this.matches(".queue .row")) window.moved.add(this.dataset.id);
  return animate.apply(this, how);
};
"""


def kinds(world: World) -> list[tuple[str, str]]:
    return [(event["kind"], event["video_id"]) for event in world.events]


def test_a_like_reorders_the_slate_before_the_eyes(clean: Page, world: World) -> None:
    clean.open_feed()
    liked, before = clean.order()[1], clean.order()
    clean.run(NOTE_MOVES)
    clean.click(f'.row[data-id="{liked}"] .like')
    clean.until(lambda: clean.answers() == 1)
    after = clean.order()
    assert set(after) & {*clean.run("return [...window.moved]")}
    assert after != before
    assert liked not in after
    assert {world.subject(video) for video in after[:5]} == {world.subject(liked)}
    assert re.fullmatch(r"answered in [\d.]+ m?s", clean.text(".pulse-text"))
    (event,) = world.events
    assert {"kind": "like", "video_id": liked, "rank": 3, "surface": "feed"}.items() <= event.items()
    assert event["recommendation_id"] == f"slate-{event['user_id']}-0"
    assert clean.text(f'.row[data-id="{after[0]}"] .row-why').startswith("you liked “")
    assert "▲" in clean.text(".queue") and "new" in clean.text(".queue")
    assert clean.text("#announcer").startswith("Answered in")
    clean.press("j")
    clean.until(lambda: clean.now() == after[0])
    assert re.search(r"answered in [\d.]+ m?s", clean.text(".details"))  # each card says how fresh it is


def test_the_keys_move_and_judge(clean: Page, world: World) -> None:
    clean.open_feed()
    first, second = clean.now(), clean.order()[0]
    clean.press("j")
    clean.until(lambda: clean.now() == second)
    clean.press("k")
    clean.until(lambda: clean.now() == first)
    clean.press("l")
    clean.until(lambda: ("like", first) in kinds(world))
    assert clean.find(".action.like").get_attribute("aria-pressed") == "true"
    for key, kind in (("s", "skip"), ("h", "hide")):
        met = clean.now()
        clean.press(key)
        clean.until(lambda met=met, kind=kind: (kind, met) in kinds(world))
        assert clean.now() != met
        assert met not in clean.order()
    clean.until(lambda: clean.answers() == len(world.events))


def test_the_buttons_of_a_card_judge_it(clean: Page, world: World) -> None:
    clean.open_feed()
    first = clean.now()
    clean.click(".action.like")
    clean.until(lambda: kinds(world) == [("like", first)])
    clean.click(".action.skip")
    clean.until(lambda: ("skip", first) in kinds(world))
    second = clean.now()
    clean.click(".action.hide")
    clean.until(lambda: ("hide", second) in kinds(world))
    third, row = clean.now(), clean.order()[0]
    clean.click(f'.row[data-id="{row}"] .open')
    clean.until(lambda: clean.now() == row and third not in clean.order())


@pytest.mark.parametrize(("by_px", "kind"), [(170, "like"), (-130, "skip"), (-330, "hide")])
def test_a_swipe_judges_a_card(clean: Page, world: World, by_px: int, kind: str) -> None:
    clean.open_feed()
    card = clean.now()
    clean.swipe(".card", by_px)
    clean.until(lambda: kinds(world) == [(kind, card)])


def test_a_swipe_over_a_row_judges_it_and_does_not_open_it(clean: Page, world: World) -> None:
    clean.open_feed()
    card, row = clean.now(), clean.order()[0]
    clean.swipe(f'.row[data-id="{row}"] .open', 120)
    clean.until(lambda: kinds(world) == [("like", row)])
    assert clean.now() == card


def test_what_was_watched_is_counted(clean: Page, world: World) -> None:
    began_s = time.monotonic()
    clean.open_feed()
    card = clean.now()
    clean.until(lambda: "0:02" in clean.text(".time"))
    clean.press("j")
    clean.until(lambda: kinds(world) == [("watch", card)])
    assert 1000 <= world.events[0]["watched_ms"] <= 1000 * (time.monotonic() - began_s)
    assert world.events[0]["duration_ms"] == world.videos[card]["duration_ms"]
    last = clean.now()
    clean.run(TO_THE_END)
    clean.until(lambda: ("watch", last) in kinds(world))
    assert world.events[-1]["watched_ms"] == world.events[-1]["duration_ms"]


def test_who_leaves_the_feed_has_watched_until_then(clean: Page, world: World) -> None:
    clean.open_feed()
    card = clean.now()
    clean.until(lambda: "0:02" in clean.text(".time"))
    clean.click('.tabs [data-view="trending"]')
    clean.until(lambda: kinds(world) == [("watch", card)])


def test_a_key_that_is_held_counts_once(clean: Page, world: World) -> None:
    clean.open_feed()
    card = clean.now()
    for repeat in (False, True, True):
        key = {"type": "keyDown", "key": "s", "text": "s", "autoRepeat": repeat}
        clean.driver.execute_cdp_cmd("Input.dispatchKeyEvent", key)
    clean.until(lambda: clean.answers() == 1)
    assert kinds(world) == [("skip", card)]


def test_a_card_that_was_passed_at_a_glance_is_an_impression(clean: Page, world: World) -> None:
    clean.open_feed()
    card = clean.now()
    clean.press("j")
    clean.until(lambda: kinds(world) == [("impression", card)])
    assert world.events[0]["recommendation_id"]


def test_a_card_says_why_it_is_there(clean: Page) -> None:
    clean.open_feed()
    assert clean.text(".why") == "many people watch it now70 %"
    clean.press("w")
    clean.until(lambda: "trending proposed it" in clean.text(".why-box"))
    for words in ("many people have watched it", "30 %", "watched a lot right now", "finish it", "61 %", "place 1"):
        assert words in clean.text(".why-box")
    clean.click(".why-box .round")
    clean.until(lambda: not clean.all("dialog"))


def test_similar_videos_open_on_the_stage(clean: Page, world: World) -> None:
    clean.open_feed()
    card = clean.now()
    clean.click(".action.similar")
    found = clean.find(".similar-box .tile").get_attribute("data-id")
    assert world.subject(str(found)) == world.subject(card)
    clean.click(".similar-box .tile")
    clean.until(lambda: clean.now() == found)
    clean.press("l")
    clean.until(lambda: ("like", found) in kinds(world))
    assert "recommendation_id" not in world.events[-1]  # it was met in no slate


def test_a_title_of_a_stranger_is_text(clean: Page, world: World) -> None:
    clean.open_feed()
    assert clean.text('.row[data-id="v3"] .row-title') == HOSTILE
    clean.click('.row[data-id="v3"] .open')
    clean.until(lambda: clean.text(".card h2") == HOSTILE)
    assert not clean.all("main b b, img[src=x]")


def test_with_less_motion_nothing_glides(clean: Page) -> None:
    clean.look(still=True)
    clean.open_feed()
    before = clean.order()
    clean.press("l")
    clean.until(lambda: clean.answers() == 1)
    assert clean.order() != before
    assert clean.run("return document.getAnimations().length") == 0
    assert clean.text(".time").startswith("0:00")  # nothing plays by itself


def test_without_a_stream_the_page_asks(page: Page, world: World) -> None:
    world.stream = False
    page.open_feed()
    before = page.order()
    page.press("l")
    page.until(lambda: page.answers() == 1)
    assert page.order() != before


def test_another_person_has_another_feed_and_is_remembered(page: Page, world: World) -> None:
    page.open_feed()
    page.click("#person")
    page.find("#user-id").send_keys("u42")
    page.click(".person-box .primary")
    page.until(lambda: page.text("#person").endswith("u42") and page.now())
    page.press("l")
    page.until(lambda: [event["user_id"] for event in world.events if event["kind"] == "like"] == ["u42"])
    page.open_feed()
    assert page.text("#person").endswith("u42")


def test_an_erasure_is_asked_for_only_after_a_second_yes(page: Page, world: World) -> None:
    page.open_feed()
    page.until(lambda: "0:02" in page.text(".time"))
    page.press(" ")  # what is watched to its end is said by itself
    user = page.text(".person-id")
    page.click("#person")
    page.click(".erase .danger")
    time.sleep(0.2)
    assert world.erased == []
    page.click(".erase .sure")
    page.until(lambda: world.erased == [user])
    page.until(lambda: page.text(".person-id") not in ("", user))
    assert world.events == []  # an event after the erasure would make the person known again


def test_an_erasure_is_heard_by_another_tab_which_says_nothing_more_of_the_person(page: Page, world: World) -> None:
    page.open_feed()
    page.until(lambda: "0:02" in page.text(".time"))  # watched for long enough to be said when it is left
    page.press(" ")
    user, tab = page.text(".person-id"), page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    try:
        page.open_feed()
        page.click("#person")
        page.click(".erase .danger")
        page.click(".erase .sure")
        page.until(lambda: world.erased == [user] and page.text(".person-id") not in ("", user))  # it heard so as well
    finally:
        page.driver.close()
        page.driver.switch_to.window(tab)
    page.until(lambda: page.text(".person-id") not in ("", user))
    page.driver.get("about:blank")
    page.rest(0.3)
    assert [event for event in world.events if event["user_id"] == user] == []


def test_what_was_watched_before_an_erasure_elsewhere_is_not_said_after_it(page: Page, world: World) -> None:
    page.open_feed()
    page.press("l")
    page.until(lambda: page.answers() == 1 and "0:02" in page.text(".time"))
    page.press(" ")
    world.events.clear()
    world.slates.clear()  # as `freshet forget` does
    page.until(lambda: page.text(".slate-state").startswith("A first slate"))
    page.driver.get("about:blank")
    page.rest(0.3)
    assert world.events == []


def test_two_tabs_show_two_people(page: Page) -> None:
    page.open_feed()
    user, tab = page.text(".person-id"), page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    try:
        page.open_feed()
        assert page.text(".person-id") == user
        page.click("#person")
        page.find("#user-id").send_keys("u42")
        page.click(".person-box .primary")
        page.until(lambda: page.text(".person-id") == "u42")
    finally:
        page.driver.close()
        page.driver.switch_to.window(tab)
    page.click('.tabs a[data-view="trending"]')
    page.click('.tabs a[data-view="feed"]')
    assert page.text(".person-id") == user
    page.click("#person")
    assert page.text(".erase .danger") == f"Erase {user} …"


def test_who_has_seen_everything_goes_round_again(clean: Page, world: World) -> None:
    world.videos = dict([*world.videos.items()][:4])
    clean.open()
    clean.until(clean.now)
    met = []
    for _ in range(6):
        clean.until(lambda: clean.answers() == len(world.events) and clean.now())
        met.append(clean.now())
        clean.press("s")
        clean.until(lambda: len(world.events) == len(met))
    assert sorted(met[:4]) == sorted(world.videos)
    assert clean.text(".slate-state") == "videos come back, as you have seen all others."


def test_a_page_that_was_left_holds_no_connection(clean: Page, world: World) -> None:
    """A browser keeps pages that were left, and allows six connections a host: the seventh had none for its titles."""
    for _ in range(8):
        clean.open_feed()
