"""page: from a person's like to the changed slate on the screen, in a browser before a running playground."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tests.bench.ground import Ground
from tests.bench.results import Goal, Result
from tests.support.playground import running

if TYPE_CHECKING:
    from tests.support.page_browser import Page

PHONE_PX = 390
LIKES = 4  # of each person
PAUSE_S = 0.4  # between an answer and the next like, as a person's finger needs
LIKE_MS = 300  # the goal, for the p95 of first likes


def like(ground: Ground) -> list[Result]:
    """Each of some new people likes some videos; the page says how long each took until the new order was drawn."""
    from tests.support.page_browser import Page, missing, start

    if why := missing():
        raise RuntimeError(why)
    people, driver = ground.size(50, 2), start()
    first, further = list[float](), list[float]()
    try:
        with running(ground.folder / "page") as address:
            for _ in range(people):
                one, *more = answers_ms(Page(driver, address, PHONE_PX))  # whose browser remembers nobody
                first.append(one)
                further += more
    finally:
        driver.quit()
    p95 = percentile(first, 95)
    goal = Goal(f"{p95:.0f} ms, p95 below {LIKE_MS}", p95 < LIKE_MS)
    note = (
        f"{people} new people, {LIKES} likes each, headless Chromium at {PHONE_PX} px; 60 simulated people beside them"
    )
    return [
        Result("page.like", p95, "ms p95", at="first like", more=_more(first), note=note, goals=[goal]),
        Result("page.like", percentile(further, 95), "ms p95", at="further likes", more=_more(further)),
    ]


def answers_ms(page: "Page") -> Iterator[float]:
    """How long each like of a person took, from the click to the picture with the slate that reflects it."""
    page.open_feed()
    for number in range(1, LIKES + 1):
        page.click(".row .like")
        page.until(lambda number=number: page.answers() == number, "the like is not answered")  # type: ignore[misc]
        yield float(page.run("return document.querySelector('.pulse').dataset.ms"))
        page.rest(PAUSE_S)


def percentile(values: list[float], of: float) -> float:
    """One of them."""
    return float(np.percentile(values, of))


def _more(values: list[float]) -> dict[str, float]:
    return {"ms p50": percentile(values, 50), "ms most": max(values), "likes": len(values)}
