"""The report is one file without a script or a request, with a mark for everything that there is to show."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from ranker.evaluation.evaluate import Training, evaluate
from ranker.evaluation.figures import FIGURES
from ranker.evaluation.report.page import html_report
from ranker.evaluation.report.svg import Axis, axis_over
from ranker.evaluation.summary import summary
from ranker.evaluation.wording import with_interval
from ranker.profile.outcomes import HEADS
from schemas.messages.fields import DAY_MS
from tests.support.predictions import exposures_of, noisy_model, random_exposures, scores_of

NOISE = {"ours": 0.3, "close": 1.0, '<script>alert("1")</script>': 3.0}  # by name, and one that is no friendly name
SLATES = {
    "coverage": 0.31,
    "trade_off": [
        {"name": "home", "accuracy": 0.07, "diversity": 0.6},
        {"name": "no re-ranking", "accuracy": 0.072, "diversity": 0.5},
        {"name": "broken", "accuracy": float("nan"), "diversity": 0.5},
    ],
}


def whole_evaluation():
    """Three models over three test days and two training days, with everything that a caller can hand in."""
    exposures, logits = random_exposures(1200, 200, seed=1)
    models = [noisy_model(name, logits, noise, seed=2) for name, noise in NOISE.items()]
    before = replace(exposures, at_ms=exposures.at_ms - 3 * DAY_MS)
    return evaluate(
        exposures,
        models[0],
        models[1:],
        training=Training(before, models),
        ranking={"ours": {"HR@10": [0.07, 0.06, 0.08]}, "popularity": {"HR@10": 0.037}},
        slates=SLATES,
        draws=40,
    )


class Elements(HTMLParser):
    """All elements of a page with their attributes, and whether each was closed."""

    def __init__(self, page):
        super().__init__()
        self.found, self.open, self.text = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def of_class(self, name):
        return [attrs for _, attrs in self.found if name in (attrs.get("class") or "").split()]


@pytest.fixture(scope="module")
def evaluation():
    return whole_evaluation()


@pytest.fixture(scope="module")
def page(evaluation):
    return html_report(evaluation)


@pytest.fixture(scope="module")
def elements(page):
    return Elements(page)


def test_every_element_is_closed(elements):
    assert elements.open == []


def test_nothing_is_asked_for_from_outside_and_nothing_runs(page, elements):
    assert not re.search(r"https?:|//\w|@import|url\(", page)
    assert {attrs["href"] for _, attrs in elements.found if "href" in attrs} == {"data:,"}
    assert not any("src" in attrs or any(key.startswith("on") for key in attrs) for _, attrs in elements.found)
    assert "script" not in {tag for tag, _ in elements.found}


def test_names_are_text(page):
    assert "<script>" not in page and "&lt;script&gt;" in page


def test_the_summary_comes_first(evaluation, elements):
    text = "".join(elements.text)
    places = [text.index(sentence) for sentence in summary(evaluation)]
    assert places == sorted(places) and places[-1] < text.index("Figures")


def test_there_is_a_mark_for_every_figure(evaluation, elements):
    models, points = len(evaluation.models), 2
    results = [heads[head] for heads in evaluation.models.values() for head in HEADS]
    bins = sum(len(result.calibration) for result in evaluation.heads.values())
    days, groups = sum(len(result.days) for result in results), sum(len(result.groups) for result in results)
    legends = 2 * models + points
    # Nobody here had from 1 to 3 exposures and the broken way to make slates has no accuracy.
    empty = sum(one.value != one.value for result in results for one in result.groups.values())
    assert len(elements.of_class("mark")) == bins + days + groups - empty + legends + points
    assert len(elements.of_class("band")) == len(HEADS)
    assert len(elements.of_class("picture")) == 3 * len(HEADS) + 1


def test_tables_have_every_figure_with_its_interval_and_baselines_a_verdict(evaluation, elements):
    text = "".join(elements.text)
    for heads in evaluation.models.values():
        assert all(with_interval(one).split(" (")[1][:-1] in text for one in heads["like"].figures.values())
    assert len(elements.of_class("verdict")) == 2 * len(HEADS) * len(FIGURES)


def test_no_coordinate_is_missing(page):
    assert not re.search(r'="[^"]*\b(?:nan|inf)\b', page)


def test_what_is_handed_in_is_shown(elements):
    text = "".join(elements.text)
    assert all(shown in text for shown in ("HR@10", "0.070", "0.060 to 0.080", "popularity", "coverage", "0.310"))


def test_without_slates_there_is_no_picture_of_them(evaluation):
    page = html_report(replace(evaluation, slates=None, ranking=None))
    assert "Accuracy against diversity" not in page and "Full catalogue" not in page


@pytest.mark.parametrize("count", [0, 1])
def test_a_report_of_next_to_nothing_can_be_made(count):
    page = html_report(evaluate(exposures_of([0] * count, [1] * count), scores_of("ours", [0.5] * count), draws=3))
    assert Elements(page).open == []
    assert not re.search(r'="[^"]*\b(?:nan|inf)\b', page)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.68, 0.77), (-3.2, 18.0), (0.5, 0.5001)])
def test_an_axis_has_round_ticks_within(low, high):
    ticks = Axis(low, high, 0, 100).ticks()
    assert 2 <= len(ticks) <= 7
    assert all(low - 1e-6 <= tick <= high + 1e-6 for tick in ticks)


@pytest.mark.parametrize("values", [[], [0.5], [0.5, 0.5], [0.2, 0.9]])
def test_everything_lies_within_its_axis(values):
    axis = axis_over(values, 10, 90)
    assert all(10 < axis.place(value) < 90 for value in values)
