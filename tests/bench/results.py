"""What a measurement found, as JSON and as a table."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Goal:
    """What a figure should be, in words, and whether it is."""

    text: str
    met: bool


@dataclass(frozen=True)
class Result:
    """One figure; `at` says under which conditions, `fault` in a sentence why it cannot be trusted."""

    name: str
    value: float
    unit: str
    at: str = ""
    engine: str = ""  # where several do the same work
    more: Mapping[str, float] = field(default_factory=dict)  # what else was measured along with it
    note: str = ""
    fault: str = ""
    goals: Sequence[Goal] = ()


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    """p50 and p99; NaN where there is nothing.

    >>> percentiles([3.0, 1.0, 2.0])
    (2.0, 2.98)
    """
    if not len(values):
        return float("nan"), float("nan")
    p50, p99 = np.percentile(values, [50, 99]).tolist()
    return p50, round(p99, 6)


def as_json(machine: Mapping[str, Any], results: Sequence[Result]) -> dict[str, Any]:
    """The content of bench.json; figures have four significant digits, NaN becomes null."""
    return {"machine": dict(machine), "results": [_row(result) for result in results]}


def _row(result: Result) -> dict[str, Any]:
    return {
        "name": result.name,
        "at": result.at,
        "engine": result.engine,
        "value": _rounded(result.value),
        "unit": result.unit,
        "more": {key: _rounded(value) for key, value in result.more.items()},
        "note": result.note,
        "fault": result.fault,
        "goals": [asdict(goal) for goal in result.goals],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(f"{value:.4g}")


def show(console: Console, results: Sequence[Result]) -> None:
    """Print a row for each engine and condition, and below the table what has to be said about them."""
    table = Table()
    for header in ("measured", "at", "engine", "figures"):
        table.add_column(header, no_wrap=header != "figures")
    before = ("", "")
    for (name, at, engine), figures in by_row(results).items():
        if before[0] and name != before[0]:
            table.add_section()
        shown = ("" if name == before[0] else name, "" if (name, at) == before else at)
        table.add_row(*shown, engine, " · ".join(figures))
        before = (name, at)
    console.print(table)
    for note in dict.fromkeys(f"{result.name}: {result.note}" for result in results if result.note):
        console.print(note, highlight=False)
    for name, goal in ((result.name, goal) for result in results for goal in result.goals):
        style, word = ("green", "met") if goal.met else ("yellow", "missed")
        console.print(f"goal {word}: {name}: {goal.text}", style=style, highlight=False)
    for fault in dict.fromkeys(f"{result.name}: {result.fault}" for result in results if result.fault):
        console.print(fault, style="red", highlight=False)


def by_row(results: Iterable[Result]) -> dict[tuple[str, str, str], list[str]]:
    """The figures of a measurement, under a condition, by an engine, in words."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for result in results:
        row = rows.setdefault((result.name, result.at, result.engine), [])
        row += [f"{shown(result.value)} {result.unit}"]
        row += [figure for key, value in result.more.items() if (figure := f"{shown(value)} {key}") not in row]
    return rows


def shown(value: float) -> str:
    """A figure with as many digits as can be read at a glance.

    >>> shown(12345.6), shown(12.345), shown(0.1234), shown(float("nan"))
    ('12,346', '12.3', '0.12', '–')
    """
    if not np.isfinite(value):
        return "–"
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"
