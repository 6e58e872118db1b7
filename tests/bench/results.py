"""What a measurement found, as JSON and as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Result:
    """One figure; `at` says under which conditions, `fault` in a sentence why it cannot be trusted."""

    name: str
    value: float
    unit: str
    at: str = ""
    peer: str | None = None
    peer_value: float | None = None
    more: Mapping[str, float] = field(default_factory=dict)  # what else was measured along with it
    note: str = ""
    fault: str = ""

    @property
    def ratio(self) -> float | None:
        """Value over the peer's value.

        >>> Result("fold", 3.0, "cpu_us/event", peer="a bare loop", peer_value=2.0).ratio
        1.5
        """
        return self.value / self.peer_value if self.peer_value else None


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
        "value": _rounded(result.value),
        "unit": result.unit,
        "peer": result.peer,
        "peer_value": _rounded(result.peer_value),
        "ratio": _rounded(result.ratio),
        "more": {key: _rounded(value) for key, value in result.more.items()},
        "note": result.note,
        "fault": result.fault,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(f"{value:.4g}")


def show(console: Console, results: Sequence[Result]) -> None:
    """Print the table, and below it what has to be said about its rows."""
    table = Table()
    for header in ("measured", "at", "value", "unit", "peer", "peer's", "ratio"):
        number = header in ("value", "peer's", "ratio")
        table.add_column(header, justify="right" if number else "left", no_wrap=True)
    before = ""
    for result in results:
        if before and result.name != before:
            table.add_section()
        shown = "" if result.name == before else result.name
        figures = (_shown(result.value), result.unit, result.peer or "", _shown(result.peer_value))
        table.add_row(shown, result.at, *figures, _shown(result.ratio))
        before = result.name
    console.print(table)
    for note in dict.fromkeys(f"{result.name}: {result.note}" for result in results if result.note):
        console.print(note, highlight=False)
    for fault in dict.fromkeys(f"{result.name}: {result.fault}" for result in results if result.fault):
        console.print(fault, style="red", highlight=False)


def _shown(value: float | None) -> str:
    """
    >>> _shown(12345.6), _shown(12.345), _shown(0.1234), _shown(None)
    ('12,346', '12.3', '0.12', '')
    """
    if value is None:
        return ""
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"
