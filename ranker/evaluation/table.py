"""An evaluation as text for a terminal: the sentences, a table for each head, and those of the whole catalogue."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ranker.evaluation.bootstrap import Estimate
from ranker.evaluation.catalogue_figures import CANDIDATES, LEAD, TOP
from ranker.evaluation.figures import FIGURE_OF, Figure, Verdict, verdict_on
from ranker.evaluation.result import Evaluation, Given
from ranker.evaluation.summary import summary
from ranker.evaluation.wording import NONE, number, percent, with_interval

COLUMNS = ("auc", "gauc", "logloss", "ece")  # what fits into a terminal; the rest is in JSON and on the page
CATALOGUE_TABLES = (
    (f"HR@{TOP}", f"NDCG@{TOP}", "MRR", f"recall@{CANDIDATES}"),
    (f"HR@{TOP} on the surface", f"NDCG@{TOP} on the surface", f"recall@{CANDIDATES} of young videos"),
)
MARKS: dict[Verdict, str] = {"better": "+", "undecided": "=", "worse": "-"}
LEGEND = "+ ours is better than this one, - worse, = cannot be told apart"


def text_report(evaluation: Evaluation) -> str:
    """Everything that is printed, ending with a line break."""
    tables = [text_table(evaluation, head) for head in evaluation.heads]
    catalogue = catalogue_tables(evaluation.ranking or {})
    return "\n\n".join(["\n".join(summary(evaluation)), *tables, *catalogue, LEGEND]) + "\n"


def text_table(evaluation: Evaluation, head: str) -> str:
    """A row for each model, ours first; behind a baseline's figure, whether ours is better."""
    share = percent(evaluation.sizes.positives[head])
    rows = [[f"{head} ({share})", *(FIGURE_OF[key].title for key in COLUMNS)]]
    for name, heads in evaluation.models.items():
        cells = [f"{with_interval(heads[head].figures[key])} {_mark(evaluation, name, head, key)}" for key in COLUMNS]
        rows.append([name, *cells])
    return aligned(rows)


def _mark(evaluation: Evaluation, name: str, head: str, key: str) -> str:
    difference = evaluation.differences.get(name, {}).get(head, {}).get(key)
    if difference is None or number(difference.value) == number(float("nan")):
        return ""
    return MARKS[verdict_on(FIGURE_OF[key], difference)]


def catalogue_tables(ranking: Given) -> Iterator[str]:
    """Tables of what ranks all videos, ours first; none where nothing was ranked."""
    for columns in CATALOGUE_TABLES:
        rows = [[name, *(_catalogue_cell(figures, key) for key in columns)] for name, figures in ranking.items()]
        shown = [row for row in rows if set(row[1:]) != {NONE}]
        if shown:
            yield aligned([["among all videos", *columns], *shown])


def _catalogue_cell(figures: Mapping[str, Any], key: str) -> str:
    found, lead = figures.get(key), figures.get(LEAD + key)
    if not isinstance(found, Estimate):
        return NONE
    mark = MARKS[verdict_on(Figure(key, key, ""), lead)] if isinstance(lead, Estimate) else ""
    return f"{with_interval(found)} {mark}".rstrip()


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows as lines with columns two spaces apart.

    >>> print(aligned([["model", "AUC"], ["a", "0.5"]]))
    model  AUC
    a      0.5
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)
