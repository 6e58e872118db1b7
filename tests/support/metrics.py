"""What a page of Prometheus says, and what docs say of it."""

import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from streams.metrics.exposition import exposition, registry_of
from streams.metrics.measures import Measures
from tests.support.paths import ROOT

PAGES = ROOT / "docs/metrics.md", ROOT / "docs/api.md"
ROW = re.compile(r"^\| `((?:freshet|process|python)_\w+)` \| (\w+) \|([^|]*)\| (.+) \|$", re.MULTILINE)
SUFFIXES = ("_total", "_bucket", "_sum", "_count", "_created")


class Documented(NamedTuple):
    """A row of the page."""

    kind: str
    labels: frozenset[str]
    meaning: str


def documented(pages: Iterable[Path] = PAGES[:1]) -> dict[str, Documented]:
    """The rows of docs/metrics.md, or of these pages, by name."""
    rows = ROW.findall("\n".join(page.read_text("utf-8") for page in pages))
    return {
        name: Documented(kind, frozenset(re.findall(r"`(\w+)`", labels)), meaning)
        for name, kind, labels, meaning in rows
    }


def described(text: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Type and labels by name of what a page serves, without a histogram's own label."""
    found = {}
    for family in text_string_to_metric_families(text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels if label != "le"}
        found[name] = family.type, frozenset(labels)
    return found


def faults(pages: Mapping[str, str]) -> dict[str, object]:
    """Of each page what is in no table of the docs, or there with another type or labels, and what promtool refuses."""
    expected = {name: (row.kind, row.labels) for name, row in documented(PAGES).items()}
    found: dict[str, object] = {}
    for at, text in pages.items():
        unlike = {name: one for name, one in described(text).items() if expected.get(name) != one}
        if told := unlike or refused_by_promtool(text):
            found[at] = told
    return found


def missing_in(texts: Iterable[str]) -> set[str]:
    """What of Freshet's own the docs have, and none of the pages."""
    found = {name for text in texts for name in described(text)}
    return {name for name in documented(PAGES) if name.startswith("freshet_")} - found


def promtool(*words: object, given: str | None = None) -> subprocess.CompletedProcess[str] | None:
    """Prometheus' own tool, with a text as its input; None where it is not installed."""
    program = shutil.which("promtool")
    command = [program or "", *map(str, words)]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False) if program else None


def refused_by_promtool(text: str) -> str:
    """What promtool finds wrong with a page; empty where it is not installed."""
    checked = promtool("check", "metrics", given=text)
    return "" if checked is None or checked.returncode == 0 else checked.stdout + checked.stderr


def page_of(measures: Measures) -> str:
    """What is served of them."""
    return exposition(registry_of(measures))[0].decode()


def sum_of(text: str, name: str, **labels: str) -> float:
    """The sum of the samples that have this name, and these labels among theirs."""
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())


def get(url: str) -> tuple[int, str]:
    """Status and body of an address on this machine."""
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310  # of our own server
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
