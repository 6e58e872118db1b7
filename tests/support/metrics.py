"""What a page of Prometheus says, and what docs/metrics.md says of it."""

import re
import urllib.request
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from tests.support.paths import ROOT

PAGE = ROOT / "docs/metrics.md"
ROW = re.compile(r"^\| `((?:freshet|process|python)_\w+)` \| (\w+) \|([^|]*)\| (.+) \|$", re.MULTILINE)
SUFFIXES = ("_total", "_bucket", "_sum", "_count", "_created")


class Documented(NamedTuple):
    """A row of the page."""

    kind: str
    labels: frozenset[str]
    meaning: str


def documented() -> dict[str, Documented]:
    """The rows of docs/metrics.md by name."""
    rows = ROW.findall(PAGE.read_text("utf-8"))
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
