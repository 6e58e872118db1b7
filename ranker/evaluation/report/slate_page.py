"""The comparison of slates as one HTML page: sentences, tables, accuracy against diversity, and places by source."""

from collections.abc import Iterator, Mapping
from html import escape

from ranker.evaluation.report.charts import Point, trade_off_chart
from ranker.evaluation.report.page import figure, html_page, legend
from ranker.evaluation.report.svg import (
    BOTTOM,
    RIGHT,
    TOP,
    WIDTH,
    Axis,
    element,
    grid_below,
    line,
    marker,
    picture,
    text,
)
from ranker.evaluation.report.tables import table
from ranker.evaluation.slate_comparison import ALIKE, Both, Comparison
from ranker.evaluation.slate_counts import SIDES
from ranker.evaluation.slate_text import EVERY, slate_sentences, slate_tables
from ranker.evaluation.wording import percent

NAMES, ROW = 120, 26  # width of the names of sources, height of each
NAME_LENGTH = 16
ACCURACY = {"next finish": "finish_hit@10", "next exposure": "next_hit@10"}


def slate_page(found: Comparison) -> str:
    """The whole page, as the text of a file."""
    return html_page("Comparison of slates", [
        element("h1", "Comparison of slates"),
        element("ul", *(element("li", escape(sentence)) for sentence in slate_sentences(found))),
        *_pictures(found),
        *_tables(found),
        *_meanings(),
    ])  # fmt: skip


def _pictures(found: Comparison) -> Iterator[str]:
    names = [f"{side}: {found.names[side]}" for side in SIDES]
    yield element("h2", "Accuracy against diversity")
    yield element("p", "Hit rate@10 by intra-list distance; above and to the right is better.", class_="note")
    yield legend(names)
    distance = found.figures["distance"]
    charts = []
    for title, key in ACCURACY.items():
        hits = found.figures[key]
        points = [Point(side, hits.of(side).value, distance.of(side).value) for side in SIDES]
        charts.append(figure(title, trade_off_chart(title, [one for one in points if one.accuracy == one.accuracy])))
    yield element("div", *charts, class_="charts")
    yield element("h2", "Places by source")
    yield legend(names)
    yield figure("share of places", shares_chart("share of places by source", found.shares["sources"]))


def shares_chart(title: str, shares: Mapping[str, Both]) -> str:
    """The share of places of each source at A and at B, side by side."""
    height = TOP + ROW * max(1, len(shares)) + BOTTOM
    most = 1.05 * max((max(one.a.value, one.b.value) for one in shares.values()), default=1.0)
    across = Axis(0.0, most, NAMES, WIDTH - RIGHT)
    drawn = [grid_below(across, height, lambda share: f"{100 * share:.3g} %", "share of places")]
    for place, (name, one) in enumerate(shares.items()):
        top = TOP + ROW * place
        drawn.append(text(_cut(name), 4, top + ROW / 2 + 4, "tick", "start"))
        for number, side in enumerate(SIDES):
            y, share = top + 8 + 10 * number, one.of(side).value
            drawn.append(line(across.start, y, across.place(share), y, f"range s{number}"))
            drawn.append(marker(number, across.place(share), y, f"{side}, {name}: {percent(share)}"))
    return picture(title, *drawn, height=height)


def _cut(name: str) -> str:
    """A name as far as there is room for it; the marks tell all of it."""
    return name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}…"


def _tables(found: Comparison) -> Iterator[str]:
    yield element("h2", "Figures")
    yield element("p", "In brackets 95 % intervals, by drawing people.", class_="note")
    for rows in slate_tables(found).values():
        header, *body = [[escape(cell) for cell in row] for row in rows]
        yield table(header, body)


def _meanings() -> Iterator[str]:
    known = {**{one.title: one.meaning for one, _ in EVERY.values()}, **{one.title: one.meaning for one in ALIKE}}
    yield element("h2", "What the figures mean")
    yield element("dl", *(element("dt", escape(title)) + element("dd", escape(said)) for title, said in known.items()))
