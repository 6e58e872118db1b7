"""Alert rules and the board: each expression asks for metrics that docs/metrics.md has, with labels that they have."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.agents import FOR_DATA
from tests.support.metrics import documented, promtool
from tests.support.paths import ROOT

DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus/rules.yml"
BOARD = DEPLOY / "grafana/dashboard.json"
METRIC = re.compile(r"\b((?:freshet|process|python)_\w+)(?:\{([^}]*)\})?")
LABEL_LISTS = re.compile(r"\b(?:by|on) \(([^)]*)\)")
OF_SCRAPES = {"job", "instance", "le"}  # labels that Prometheus itself, or a histogram, has
FIRES = """
rule_files: [{rules}]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {{series: 'freshet_lag_records{{agent="ranker", topic="t", partition="0"}}', values: '5+0x30'}}
      - {{series: 'freshet_records_read_total{{agent="ranker", topic="t"}}', values: '9+0x30'}}
      - {{series: 'freshet_worker_ready{{agent="ranker", instance="a:1"}}', values: '0+0x30'}}
      - {{series: 'freshet_worker_ready{{agent="ranker", instance="new:1"}}', values: '0+0x30'}}
      - {{series: 'freshet_waiting{{agent="ranker", instance="new:1", what="the first video"}}', values: '1+0x30'}}
      - {{series: 'freshet_dead_letters_total{{agent="profiles", reason="decode"}}', values: '0+2x30'}}
      - {{series: 'freshet_records_read_total{{agent="profiles", topic="f"}}', values: '0+100x30'}}
      - {{series: 'freshet_degraded_slates_total{{source="near_recent"}}', values: '0+10x30'}}
      - {{series: 'freshet_slates_total', values: '0+100x30'}}
    promql_expr_test: []
    alert_rule_test:
"""


def rules() -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"]:
        yield from group["rules"]


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    panels = json.loads(BOARD.read_text("utf-8"))["panels"]
    yield from (target["expr"] for panel in panels for target in panel.get("targets", ()))
    yield from re.findall(r"\| `([^`]*freshet_[^`]*\([^`]*)` \|", (ROOT / "docs/metrics.md").read_text("utf-8"))


def faults(expression: str) -> list[str]:
    """What an expression asks for that nobody serves."""
    rows, found, known = documented(), [], set(OF_SCRAPES)
    for name, selector in METRIC.findall(expression):
        suffix = re.search(r"_(?:bucket|sum|count)$", name)
        histogram = name.removesuffix(suffix[0]) if suffix else ""
        row = rows.get(name) or rows.get(histogram)
        if row is None or (name not in rows and row.kind != "histogram") or (name in rows and row.kind == "histogram"):
            found.append(name)
            continue
        known |= row.labels
        found += [label for label in re.findall(r"(\w+)\s*[!=~]+", selector) if label not in row.labels | OF_SCRAPES]
    listed = {label.strip() for labels in LABEL_LISTS.findall(expression) for label in labels.split(",")} - {""}
    return found + sorted(listed - known)


def test_every_expression_asks_for_what_is_served() -> None:
    all_of_them = list(expressions())
    assert len(all_of_them) > 40
    assert {one: found for one in all_of_them if (found := faults(one))} == {}


@pytest.mark.parametrize(
    "expression",
    [
        "freshet_gone_total > 0",
        "rate(freshet_batch_records[5m])",  # a histogram has no such series
        "freshet_slates_total_count",
        'freshet_lag_records{user="ana"}',
        "sum by (video) (freshet_lag_records)",
    ],
)
def test_what_nobody_serves_is_found(expression: str) -> None:
    assert faults(expression)


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"].keys() == {"summary", "description"}
        said = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
        listed = re.findall(r"\bby \(([^)]*)\)", rule["expr"])
        if listed:  # an aggregate has the labels that it names, and no other
            assert said <= {label.strip() for label in listed[0].split(",")}, rule["alert"]


WAITS = {
    "2m": "2 minutes",
    "5m": "5 minutes",
    "10m": "10 minutes",
    "15m": "15 minutes",
    "30m": "30 minutes",
    "1h": "an hour",
}


def test_every_alert_has_its_section_that_says_how_soon_and_for_whom() -> None:
    sections = re.findall(
        r"^## (Freshet\w+)\n\n\*(.+?)\.\* ", (ROOT / "docs/alerts.md").read_text("utf-8"), re.MULTILINE
    )
    told = [(rule["alert"], rule["labels"]["severity"], WAITS.get(rule.get("for", ""))) for rule in rules()]
    assert sections == [(name, f"{who}, after {wait}" if wait else who) for name, who, wait in told]


def test_workers_that_wait_for_data_alone_are_named_as_they_name_it() -> None:
    (rule,) = [one for one in rules() if one["alert"] == "FreshetWorkerNotReady"]
    named = re.findall(r'what[=!]~"([^"]*)"', rule["expr"])
    assert [one.split("|") for one in named] == [[*FOR_DATA]] * 2


def test_every_metric_of_a_worker_is_on_the_board() -> None:
    asked = {name for one in expressions() for name, _ in METRIC.findall(one)}
    shown = {re.sub(r"_(?:bucket|sum|count)$", "", name) for name in asked} | asked
    not_shown = {name for name in documented() if name.startswith("freshet_")} - shown
    assert not_shown == {"freshet_worker_info"}


def test_panels_of_the_board_do_not_overlap_and_take_the_chosen_source() -> None:
    board = json.loads(BOARD.read_text("utf-8"))
    cells: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        own = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not own & cells and at["x"] + at["w"] <= 24, panel["title"]
        cells |= own
        assert panel["type"] == "row" or panel["datasource"]["uid"] == "${datasource}"
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def judged(*words: object) -> subprocess.CompletedProcess[str]:
    done = promtool(*words)
    if done is None:
        pytest.skip("promtool is not installed (Debian has it in the package prometheus)")
    return done


@pytest.mark.parametrize("name", ["prometheus.yml", "compose.yml"])
def test_prometheus_takes_rules_and_configuration(name: str, tmp_path: Path) -> None:
    folder = shutil.copytree(DEPLOY / "prometheus", tmp_path / "prometheus")
    (folder / "api-read-token").write_text("r", "utf-8")  # who runs the API puts it there
    checked = judged("check", "config", folder / name)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "FAILED" not in checked.stdout


def test_prometheus_parses_every_expression_of_the_board(tmp_path: Path) -> None:
    queries = [one.replace("$__rate_interval", "5m") for one in expressions()]
    records = [{"record": f"query:{number}", "expr": one} for number, one in enumerate(queries)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": records}]}), "utf-8")
    checked = judged("check", "rules", file)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
    ("alert", "labels"),
    [
        ("FreshetNothingIsRead", {"agent": "ranker"}),
        ("FreshetWorkerNotReady", {"agent": "ranker", "instance": "a:1"}),
        ("FreshetDeadLetters", {"agent": "profiles"}),
        ("FreshetSlatesDegraded", {"source": "near_recent"}),
        ("FreshetLagHigh", None),
    ],
)
def test_an_alert_fires_where_it_should_and_only_there(
    alert: str, labels: dict[str, str] | None, tmp_path: Path
) -> None:
    tests = yaml.safe_load(FIRES.format(rules=RULES))
    rule = next(one for one in rules() if one["alert"] == alert)
    expected = [] if labels is None else [{"exp_labels": labels | rule["labels"], "exp_annotations": {}}]
    for one in expected:
        texts = {key: str(text) for key, text in rule["annotations"].items()}
        for name, value in (labels or {}).items():
            texts = {key: text.replace(f"{{{{ $labels.{name} }}}}", value) for key, text in texts.items()}
        one["exp_annotations"] = texts
    tests["tests"][0]["alert_rule_test"] = [{"eval_time": "29m", "alertname": alert, "exp_alerts": expected}]
    file = tmp_path / "tests.yml"
    file.write_text(yaml.safe_dump(tests), "utf-8")
    done = judged("test", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr
