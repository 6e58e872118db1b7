"""What commands that fill, train and run print as JSON: one line on stdout, what is for people on stderr."""

import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from encoders.models.manifest import folder_of
from streams.cli import train
from streams.kafka import probe, topic_admin
from streams.local import broker
from streams.operations import backfill, rebuild, train_fusion
from streams.worker import readiness, supervise
from streams.worker.health import Status
from tests.support.brokers import CACHE
from tests.support.command import Freshet
from tests.support.log_lines import UPLOAD, log_of

URL = "http://127.0.0.1:1"


def test_export(freshet: Freshet, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRESHET_CACHE_DIR", str(CACHE.settings.cache_dir))
    ran = freshet("export", "--json")
    told = json.loads(ran.out)
    assert told["folder"] == str(folder_of(CACHE.settings.cache_dir)) == str(models)
    assert told["bytes"] > 10_000_000 and told["files"] >= 3
    assert "is complete and unchanged" in ran.err and not freshet("export").out


def test_rebuild_and_backfill(freshet: Freshet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(rebuild, "rebuild", lambda *_: 7)
    monkeypatch.setattr(probe, "wait_for_authenticated_broker", lambda *_: None)
    monkeypatch.setattr(backfill, "backfill", lambda *_: backfill.Backfilled(5, 2))
    ran = freshet("rebuild", "--qdrant-url", URL, "--json")
    assert json.loads(ran.out) == {"videos": 7, "alias": "freshet.videos"} and "7 videos are in the index" in ran.err
    ran = freshet("backfill", log_of(tmp_path, UPLOAD), "--json")
    assert json.loads(ran.out) == {"embedded": 5, "left": 2} and "5 videos were embedded" in ran.err
    assert "2 stay as they were, as their media cannot be read any more" in ran.err
    assert not freshet("backfill", log_of(tmp_path, UPLOAD)).out


def test_train_fusion(freshet: Freshet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    outcome = train_fusion.Outcome("v1", 300, 30, 0.5, 0.25, None, 0.2, True)
    monkeypatch.setattr("streams.operations.snapshot.read_stored_library", lambda *_: None)
    monkeypatch.setattr(train_fusion, "train_fusion", lambda *_: outcome)
    ran = freshet("train-fusion", log_of(tmp_path), "--json")
    assert json.loads(ran.out) == outcome._asdict() and train.ROLLOUT in ran.err


def test_up_says_once_which_workers_there_are_and_where_the_page_is(
    freshet: Freshet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for module, name in ((probe, "wait_for_authenticated_broker"), (topic_admin, "apply"), (topic_admin, "check")):
        monkeypatch.setattr(module, name, lambda *_, **__: None)
    monkeypatch.setattr(broker, "broker_if_none_answers", lambda *_: nullcontext())
    monkeypatch.setattr(readiness, "api_is_ready", lambda _: True)
    found = [Status(agent="ranker", pid=1, state="ready", at_ms=0, metrics="http://here/metrics")]
    monkeypatch.setattr(readiness.Readiness.__init__, "__defaults__", _with(found))

    def run(commands: Any, environ: Any, write: Any, report: Any, look_after: Any, restarts: Any) -> None:
        write("ranker   | a line of its log")
        look_after({"ranker": SimpleNamespace(pid=1), "api": SimpleNamespace(pid=2)})

    monkeypatch.setattr(supervise, "run", run)
    ran = freshet("up", "--data-dir", tmp_path, "--json")
    assert json.loads(ran.out) == {
        "workers": [{"agent": "ranker", "pid": 1, "metrics": "http://here/metrics"}],
        "page": "http://127.0.0.1:8090/",
    }
    assert "a line of its log" in ran.err and "all 1 workers are ready" in ran.err
    ran = freshet("up", "--data-dir", tmp_path)
    assert ran.out == "ranker   | a line of its log\n"


def _with(found: list[Status]) -> tuple[Any, ...]:
    """The defaults of Readiness, its statuses read from a list."""
    clock, _, *others = readiness.Readiness.__init__.__defaults__ or ()
    return (clock, lambda _: found, *others)
