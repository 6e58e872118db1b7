"""The tables of a report as HTML."""

from collections.abc import Mapping, Sequence
from html import escape
from math import isfinite
from typing import Any

from ranker.evaluation.bootstrap import Estimate
from ranker.evaluation.figures import FIGURES, Figure, Verdict, verdict_on
from ranker.evaluation.report.svg import element
from ranker.evaluation.result import Evaluation, Given
from ranker.evaluation.wording import NONE, interval, number, with_interval

MARKS: dict[Verdict, tuple[str, str]] = {  # what stands in a baseline's cell, and what it means
    "better": ("▲", "ours is better"),
    "undecided": ("=", "cannot be told apart from ours"),
    "worse": ("▼", "ours is worse"),
}
LEGEND = "; ".join(f"{mark} {meaning}" for mark, meaning in MARKS.values())


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of markup, each row with its name first, in a box that scrolls where the page is narrow."""
    head = element("tr", *(element("th", one, scope="col") for one in header))
    body = [
        element("tr", element("th", name, scope="row"), *(element("td", cell) for cell in cells))
        for name, *cells in rows
    ]
    inner = element("table", element("thead", head), element("tbody", *body))
    return element("div", inner, class_="scroll", tabindex=0)


def figures_table(evaluation: Evaluation, head: str) -> str:
    """All figures of all models for one head, ours first."""
    rows = []
    for place, (name, heads) in enumerate(evaluation.models.items()):
        differences = evaluation.differences.get(name, {}).get(head, {}) if place else {}
        cells = [_cell(figure, heads[head].figures[figure.key], differences.get(figure.key)) for figure in FIGURES]
        rows.append([escape(name), *cells])
    return table(["", *(figure.title for figure in FIGURES)], rows)


def _cell(figure: Figure, found: Estimate, difference: Estimate | None) -> str:
    shown = number(found.value)
    if difference is not None and isfinite(difference.value):
        mark, meaning = MARKS[verdict_on(figure, difference)]
        title = f"{meaning}: difference {with_interval(difference)}"
        shown += " " + element("span", mark, class_="verdict", title=title, role="img", aria_label=meaning)
    return shown + element("small", interval(found))


def given_table(given: Given) -> str:
    """Figures that were handed in: a row for each, or for each name of several a row with a column for each figure."""
    if given and all(isinstance(inner, Mapping) for inner in given.values()):
        columns = list(dict.fromkeys(key for inner in given.values() for key in inner))
        rows = [[escape(str(name)), *(_given(inner.get(key)) for key in columns)] for name, inner in given.items()]
        return table(["", *map(escape, columns)], rows)
    return table(["", ""], [[escape(str(name)), _given(value)] for name, value in given.items()])


def _given(value: Any) -> str:
    """A number, or a figure with its interval as [value, low, high]."""
    match value:
        case bool() | str():
            return escape(str(value))
        case int():
            return f"{value:,}"
        case float():
            return number(value)
        case [float() | int() as middle, float() | int() as low, float() | int() as high]:
            return number(middle) + element("small", interval(Estimate(middle, low, high)))
    return NONE
