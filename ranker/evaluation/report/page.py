"""The report as one HTML page: the summary in sentences, the figures, and the pictures of them.

The page has no script, asks for nothing from outside, and forbids both by its content security policy.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from math import isfinite
from typing import Any

from ranker.evaluation.figures import FIGURES
from ranker.evaluation.report.charts import Point, calibration_chart, groups_chart, trade_off_chart
from ranker.evaluation.report.curves import days_chart
from ranker.evaluation.report.svg import element, marker
from ranker.evaluation.report.tables import LEGEND, figures_table, given_table
from ranker.evaluation.result import Evaluation, Given
from ranker.evaluation.summary import summary
from ranker.evaluation.wording import percent

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
TRADE_OFF = "trade_off"  # among the figures of slates: [{"name": …, "accuracy": …, "diversity": …}, …]


def html_report(evaluation: Evaluation) -> str:
    """The whole page, as the text of a file."""
    title = f"Evaluation of {evaluation.name}"
    body = [
        element("h1", escape(title)),
        element("ul", *(element("li", escape(sentence)) for sentence in summary(evaluation))),
        *_figures(evaluation),
        *_pictures(evaluation),
        *_given("Full catalogue", evaluation.ranking),
        *_slates(evaluation.slates),
        *_meanings(),
    ]
    return html_page(title, body)


def html_page(title: str, body: Sequence[str]) -> str:
    """A page with the style of all reports; its body is markup already."""
    return f'<!doctype html>\n<html lang="en">{_head(title)}{element("body", *body)}</html>\n'


def _head(title: str) -> str:
    style = files(__package__).joinpath("style.css").read_text("utf-8")
    return (
        '<head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>\n{style}</style></head>"
    )


def _figures(evaluation: Evaluation) -> Iterable[str]:
    yield element("h2", "Figures")
    yield element("p", f"95 % intervals are below each figure. In a baseline's row: {LEGEND}.", class_="note")
    for head in evaluation.heads:
        yield element("h3", f"{head}, {percent(evaluation.sizes.positives[head])} of the exposures")
        yield figures_table(evaluation, head)


def _pictures(evaluation: Evaluation) -> Iterable[str]:
    models = evaluation.models
    yield element("h2", "Calibration")
    yield element("p", f"Of {escape(evaluation.name)}. On the dashed line, what was predicted happened.", class_="note")
    yield _charts(evaluation, lambda head, title: calibration_chart(title, evaluation.heads[head].calibration))
    yield element("h2", "Learning curve")
    yield element("p", "AUC of each day. The band is the 95 % interval of ours.", class_="note")
    yield legend(list(models))
    yield _charts(
        evaluation, lambda head, title: days_chart(title, {name: heads[head].days for name, heads in models.items()})
    )
    yield element("h2", "Activity groups")
    yield element(
        "p", "AUC by how many exposures a person had before the test days; below, the group's exposures.", class_="note"
    )
    yield legend(list(models))
    yield _charts(
        evaluation,
        lambda head, title: groups_chart(
            title, {name: heads[head] for name, heads in models.items()}, evaluation.sizes.groups
        ),
    )


def _charts(evaluation: Evaluation, draw: Callable[[str, str], str]) -> str:
    """A picture for each head, made of the head and the picture's title."""
    return element("div", *(figure(head, draw(head, head)) for head in evaluation.heads), class_="charts")


def figure(caption: str, content: str) -> str:
    """A picture with what it shows above it."""
    return element("figure", element("figcaption", escape(caption)), content)


def legend(names: Sequence[str]) -> str:
    """Names with their marks."""
    marks = [element("svg", marker(place, 7, 7, name), viewBox="0 0 14 14") for place, name in enumerate(names)]
    rows = [element("li", mark, escape(name)) for mark, name in zip(marks, names, strict=True)]
    return element("ul", *rows, class_="legend")


def _given(title: str, given: Given | None) -> Iterable[str]:
    if given:
        yield element("h2", escape(title))
        yield given_table(given)


def _slates(slates: Given | None) -> Iterable[str]:
    if not slates:
        return
    yield from _given("Slates", {key: value for key, value in slates.items() if key != TRADE_OFF})
    if points := _points(slates.get(TRADE_OFF, ())):
        yield element("h2", "Accuracy against diversity")
        yield element("p", "Each mark is a way to make slates; above and to the right is better.", class_="note")
        yield legend([point.name for point in points])
        yield figure("slates", trade_off_chart("Accuracy against diversity", points))


def _points(given: Iterable[Mapping[str, Any]]) -> list[Point]:
    found = [Point(str(one["name"]), float(one["accuracy"]), float(one["diversity"])) for one in given]
    return [point for point in found if isfinite(point.accuracy) and isfinite(point.diversity)]


def _meanings() -> Iterable[str]:
    terms = [element("dt", figure.title) + element("dd", escape(figure.meaning)) for figure in FIGURES]
    yield element("h2", "What the figures mean")
    yield element("dl", *terms)
