"""The figures that README and docs/benchmarks.md give are those of the committed run, and of nothing else."""

import json
from pathlib import Path

import pytest

from tests.meta.figure_tables import MARKED, PAGES, RUN, TABLES, Run, filled


@pytest.fixture(scope="module")
def run() -> Run:
    found: Run = json.loads(RUN.read_text("utf-8"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_figures_of_a_page_are_those_of_the_run(page: Path, run: Run) -> None:
    text = page.read_text("utf-8")
    assert text == filled(text, run), "run `python -m tests.meta.figure_tables`"


def test_every_table_of_figures_stands_on_one_page() -> None:
    names = [found[2] for page in PAGES for found in MARKED.finditer(page.read_text("utf-8"))]
    assert sorted(names) == sorted(TABLES)


def test_the_run_can_be_trusted(run: Run) -> None:
    assert not run["machine"]["quick"]
    assert run["failed"] == {}
    assert [row["fault"] for row in run["results"] if row["fault"]] == []
