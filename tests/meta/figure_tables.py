"""The tables of figures in README.md and docs/benchmarks.md, made from docs/bench.json: one run of the benchmarks.

`python -m tests.meta.figure_tables bench.json` puts another run in its place and writes the tables again, between the
markers `<!-- figures: name -->` and `<!-- end of figures -->`. Without a run it writes the tables of the one that is
there. A test fails where the pages differ.
"""

import argparse
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.bench.machine import told
from tests.bench.results import Result, by_row, shown
from tests.meta.message_tables import table
from tests.support.paths import ROOT

RUN = ROOT / "docs/bench.json"
PAGES = (ROOT / "README.md", ROOT / "docs/benchmarks.md")
MARKED = re.compile(r"(<!-- figures: (\S+) -->\n)(.*?)(<!-- end of figures -->)", re.DOTALL)
ENGINES = ("reference.backlog", "profiles.backlog", "reference.live", "recovery")  # where several do the same work
COMPARED = "Runtimes that do the same work ([who is compared](#who-is-compared)):\n"

BESIDE = ("ms_p50", "ms_p99", "events/s", "coalesced", "of reading alone")  # what is shown with the figure of an engine

Run = dict[str, Any]


def results(run: Run) -> list[Result]:
    """What `as_json` wrote."""
    return [
        Result(
            **row | {"value": _number(row["value"]), "more": {key: _number(one) for key, one in row["more"].items()}}
        )
        for row in run["results"]
    ]


def _number(written: float | None) -> float:
    return float("nan") if written is None else written


def machine(run: Run) -> str:
    """The machine with its load before and after, and when."""
    return f"{told(run['machine'])}, load after {run['machine']['load_after']}.\n"


def in_words(figures: Iterable[str]) -> str:
    """Figures whose units are written for people.

    >>> in_words(["7.3 cpu_us/event", "20.1 ms_p99"])
    '7.3 µs CPU/event · 20.1 ms p99'
    """
    return " · ".join(figures).replace("cpu_us", "µs CPU").replace("_", " ")


def engines(run: Run) -> str:
    """A row for each condition of what runtimes are compared by, a column for each of them."""
    found = results(run)
    tables = [_compared([one for one in found if one.name == name]) for name in ENGINES]
    return "\n".join([COMPARED, *filter(None, tables)]) if any(tables) else ""


def _compared(rows: Sequence[Result]) -> str:
    names, conditions = dict.fromkeys(one.engine for one in rows), dict.fromkeys(one.at for one in rows)
    few = (replace(one, more={key: one.more[key] for key in BESIDE if key in one.more}) for one in rows)
    said = {(at, engine): in_words(words) for (_, at, engine), words in by_row(few).items()}
    lines = ((at, *(said.get((at, name), "does not keep pace") for name in names)) for at in conditions)
    return table(f"`{rows[0].name}`", *names, rows=lines) if rows else ""


def others(run: Run) -> str:
    """A row for each condition of every other measurement."""
    rows = by_row([one for one in results(run) if one.name not in ENGINES])
    lines = (
        (f"`{name}`", ", ".join(filter(None, (at, who))), in_words(said)) for (name, at, who), said in rows.items()
    )
    return table("measurement", "at", "figures", rows=lines)


def goals(run: Run) -> str:
    """Every goal of the measurements, and whether this run reached it."""
    lines = (
        (f"`{row['name']}`", goal["text"], "yes" if goal["met"] else "**no**")
        for row in run["results"]
        for goal in row["goals"]
    )
    return table("measurement", "figure and goal", "reached", rows=lines)


def short(run: Run) -> str:
    """The few of the README."""
    found = results(run)
    waits = [one for one in found if (one.name, one.engine) == ("slate.latency", "Freshet")]
    drained = {one.engine: shown(one.value) for one in found if one.name == "reference.backlog"}
    recovered = [one for one in found if (one.name, one.unit) == ("scale", "s to recover")]
    rows = (
        (
            f"event → slate, p50 / p99, at {' and at '.join(one.at for one in waits)} (`--only slate.latency`)",
            ", ".join(f"{shown(one.value)} / {shown(one.more['ms_p99'])} ms" for one in waits),
        ),
        *(
            [(f"CPU an event while a backlog drains: {' / '.join(drained)}", f"{' / '.join(drained.values())} µs")]
            if drained
            else ()
        ),
        *((f"recovery of the profiles of {one.at}", f"{shown(one.value)} s") for one in recovered),
    )
    return table("measured", "", rows=rows)


TABLES: dict[str, Callable[[Run], str]] = {
    "machine": machine,
    "engines": engines,
    "others": others,
    "goals": goals,
    "short": short,
}


def filled(page: str, run: Run) -> str:
    """The page with every table made anew."""
    return MARKED.sub(lambda found: f"{found[1]}{TABLES[found[2]](run)}{found[4]}", page)


def main() -> None:
    """Write the pages."""
    parser = argparse.ArgumentParser("python -m tests.meta.figure_tables", description=__doc__)
    parser.add_argument("run", type=Path, nargs="?", default=RUN, help="what `make bench` wrote")
    taken = parser.parse_args().run.read_text("utf-8")
    RUN.write_text(taken, "utf-8")
    for page in PAGES:
        page.write_text(filled(page.read_text("utf-8"), json.loads(taken)), "utf-8")


if __name__ == "__main__":
    main()
