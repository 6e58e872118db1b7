"""`freshet status`: what status files and metrics say of each worker, and rates between two looks."""

import json
import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.settings.model import Settings
from streams.metrics.exposition import exposition, registry_of
from streams.metrics.measures import Measures
from streams.operations.worker_status import HEADINGS, Row, Watcher, cells, counts_of, quantile
from streams.worker.health import Status, status_folder
from tests.support.command import Freshet

COMMON: dict[str, Any] = {"agent": "ranker", "pid": 7, "state": "ready", "at_ms": 1_000_000}


def page(reads: int, latencies_s: list[float]) -> str:
    measures = Measures()
    measures.count("freshet_records_read_total", reads, agent="ranker", topic="p")
    measures.count("freshet_slates_total", len(latencies_s))
    measures.observe("freshet_event_to_slate_seconds", latencies_s)
    return exposition(registry_of(measures))[0].decode()


def test_rates_and_percentiles_are_of_what_came_since_the_look_before() -> None:
    pages = iter(
        [page(100, [0.02] * 100), page(300, [0.02] * 100 + [0.3] * 100), page(300, [0.02] * 100 + [0.3] * 100)]
    )
    clock = iter([1000.0, 1004.0, 1008.0])
    status = Status(**COMMON, metrics="http://here/metrics")
    watcher = Watcher(Settings(), lambda _: next(pages), lambda _: [status], lambda: next(clock))
    (first,), (second,), (third,) = watcher.look(), watcher.look(), watcher.look()
    assert first.read_per_s is None and first.p50_ms is not None and first.p50_ms <= 25
    assert (second.read_per_s, second.slates) == (50.0, 200)
    assert second.p50_ms is not None and 250 <= second.p50_ms <= 500  # the new ones alone
    assert third.read_per_s == 0 and third.p50_ms is not None  # quiet: the figures of all


def test_percentiles_lie_within_their_buckets() -> None:
    buckets = counts_of(page(0, [0.01] * 50 + [0.4] * 49 + [9.0]), 0.0).latency_s
    for share, low, high in ((0.4, 0.0, 0.01), (0.9, 0.25, 0.5), (1.0, 5.0, 10.0)):
        found = quantile(buckets, share)
        assert found is not None and low <= found <= high


def test_a_worker_without_metrics_or_without_an_answer_still_has_its_row() -> None:
    found = [Status(**COMMON), Status(**{**COMMON, "pid": 8}, metrics="http://here/metrics", waits_for=["the broker"])]
    rows = Watcher(Settings(), lambda _: "", lambda _: found, lambda: 1000.0).look()
    assert [(row.status.pid, row.read_per_s, row.p99_ms, row.is_silent) for row in rows] == [
        (7, None, None, False),
        (8, None, None, False),
    ]
    assert cells(rows)[1][:4] == ("ranker", "8", "ready", "the broker")


def test_the_learner_has_its_auc_beside_and_others_none() -> None:
    found = [
        Status(**COMMON),
        Status(**{**COMMON, "agent": "learner"}, quality={"auc_finish": 0.71263, "auc_like": 1.0}),
    ]
    rows = cells(Watcher(Settings(), lambda _: "", lambda _: found, lambda: 1000.0).look())
    assert [row[HEADINGS.index("AUC")] for row in rows] == ["", "0.713"]


def test_slates_of_old_events_have_no_made_up_latency() -> None:
    rows = [Row(Status(**COMMON), False, p50_ms=300_000.0, p99_ms=300_000.0), Row(Status(**COMMON), False, p50_ms=7.5)]
    place = HEADINGS.index("p50 ms")
    assert [row[place : place + 2] for row in cells(rows)] == [(">300,000", ">300,000"), ("8", "")]


def test_a_status_that_is_old_is_silent() -> None:
    (row,) = Watcher(Settings(), lambda _: "", lambda _: [Status(**COMMON)], lambda: 1020.0).look()
    assert isinstance(row, Row) and row.is_silent and cells([row])[0][2] == "silent"


def test_the_command_prints_a_table_where_there_is_no_terminal_and_json_for_programs(
    freshet: Freshet, tmp_path: Path
) -> None:
    assert freshet("status", "--data-dir", tmp_path).out == "no worker of this prefix runs on this machine\n"
    folder = status_folder(Settings(data_dir=tmp_path))
    folder.mkdir(parents=True)
    own = {**COMMON, "pid": os.getpid(), "at_ms": int(time.time() * 1000), "lag": {"t[0]": 5, "t[1]": 1200}}
    (folder / "ranker-1.json").write_bytes(msgspec.json.encode(own))
    lines = freshet("status", "--data-dir", tmp_path).out.splitlines()
    assert lines[0].split()[:3] == ["agent", "process", "state"]
    assert lines[1].split()[:4] == ["ranker", str(os.getpid()), "ready", "1,205"]
    (found,) = json.loads(freshet("status", "--json", "--data-dir", tmp_path).out)
    assert (found["agent"], found["lag"], found["silent"], found["read_per_s"]) == ("ranker", own["lag"], False, None)


def test_health_names_each_worker_that_does_not_run(freshet: Freshet, tmp_path: Path) -> None:
    folder = status_folder(Settings(data_dir=tmp_path))
    folder.mkdir(parents=True)
    own = {**COMMON, "pid": os.getpid(), "at_ms": int(time.time() * 1000)}
    (folder / "ranker-1.json").write_bytes(msgspec.json.encode(own))
    ran = freshet("health", "ranker", "profiles", "encoder", "--data-dir", tmp_path)
    assert ran.code == 1 and ran.out.splitlines()[1:] == [
        "profiles does not run on this machine",
        "encoder does not run on this machine",
    ]
    ran = freshet("health", "profiles", "--json", "--data-dir", tmp_path)
    assert ran.code == 1 and json.loads(ran.out) == [] and "profiles does not run" in ran.err


def test_on_a_terminal_the_table_is_kept_up_to_date(
    freshet: Freshet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    looks = iter([None, None])

    def sleep(_: float) -> None:
        if next(looks, "end") == "end":
            raise KeyboardInterrupt

    monkeypatch.setattr("streams.cli.status.time.sleep", sleep)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    folder = status_folder(Settings(data_dir=tmp_path))
    folder.mkdir(parents=True)
    own = {**COMMON, "pid": os.getpid(), "at_ms": int(time.time() * 1000), "state": "waiting", "lag": {"t[0]": 1234567}}
    own |= {"agent": "profiles", "waits_for": ["the broker", "media"]}
    (folder / "profiles-1.json").write_bytes(msgspec.json.encode(own))
    ran = freshet("status", "--data-dir", tmp_path)
    assert ran.code == 0
    for word in ("agent", "waits", "p99 ms", "profiles", "waiting", "1,234,567", "broker"):
        assert word in ran.out, ran.out
