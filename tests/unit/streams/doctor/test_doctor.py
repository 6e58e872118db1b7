"""`freshet doctor` names the cause of each planted trouble, and every check ends."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Literal

import pytest

from encoders.models.manifest import MODELS, SPEECH_FOLDER, folder_of
from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.operations.doctor import examine, installation, machine
from streams.operations.doctor.finding import Finding, ok, run_checks
from streams.operations.doctor.kafka import KafkaChecks
from streams.operations.doctor.qdrant import check_qdrant
from streams.operations.doctor.ranking import check_ranking, check_slates
from tests.support.brokers import CACHE
from tests.support.command import Freshet
from tests.support.models import small_folder
from tests.support.qdrant_stub import Answer, QdrantStub, aside

NOWHERE = "127.0.0.1:1"
MODELS_IN = CACHE.settings.cache_dir


def failed(findings: Iterator[Finding]) -> Finding:
    """The only one that fails; what it says is one sentence, and it has a remedy."""
    (found,) = [one for one in findings if one.level == "fail"]
    assert "\n" not in found.found and found.remedy
    return found


def test_a_broker_that_is_away_is_named() -> None:
    checks = KafkaChecks(Settings(bootstrap=NOWHERE, broker_wait_s=0))
    found = failed(run_checks([("broker", checks.check_broker)]))
    assert f"No Kafka broker answered at {NOWHERE}" in found.found and "connection refused" in found.found
    assert "freshet broker" in found.remedy
    assert [one.level for one in checks.check_topics()] == ["warn"]  # and nothing waits for it again


def test_a_local_broker_without_java_is_named() -> None:
    settings = Settings(bootstrap=NOWHERE)
    found = failed(machine.check_java(settings, {"mvn": "/usr/bin/mvn"}.get))
    assert "needs java" in found.found and "openjdk-17" in found.remedy
    elsewhere = Settings(bootstrap="kafka.example:9092")
    assert [one.level for one in machine.check_java(elsewhere, lambda _: None)] == ["ok"]


def test_a_java_that_is_too_old_is_named(tmp_path: Path) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_392\"' >&2\n", "utf-8")
    java.chmod(0o755)
    assert "Java 8" in failed(machine.check_java(Settings(bootstrap=NOWHERE), lambda _: str(java))).found


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("feed", "no_such_module:build", "there is no module no_such_module"),
        ("ranking", "nothing.toml", "FRESHET_RANKING=nothing.toml"),
        ("parameters", "nothing.npz", "nothing.npz: No such file or directory. Make it with `freshet train`"),
        ("sequence", "nothing.onnx", "FRESHET_SEQUENCE=nothing.onnx"),
    ],
)
def test_what_slates_are_made_by_is_named_where_it_cannot_be_used(setting: str, value: str, said: str) -> None:
    assert [one.level for one in check_ranking(Settings())] == ["ok"]
    assert said in failed(check_ranking(Settings(**{setting: value}))).found  # type: ignore[arg-type]


def test_a_redis_that_is_away_is_named() -> None:
    pytest.importorskip("redis")
    assert [one.level for one in check_slates(Settings())] == ["ok"]
    assert "FRESHET_SLATES_URL" in failed(check_slates(Settings(slates_url="redis://127.0.0.1:1"))).found


def test_a_qdrant_that_is_away_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    found = failed(check_qdrant(Settings(qdrant_url=f"http://127.0.0.1:{port}", cache_dir=MODELS_IN)))
    assert f"http://127.0.0.1:{port}" in found.found and "check that it runs" in found.found
    assert "Start Qdrant" in found.remedy


def test_a_key_that_qdrant_does_not_know_is_named() -> None:
    with aside(QdrantStub()) as stub:
        stub.always = Answer(401)
        found = failed(check_qdrant(Settings(qdrant_url=stub.url, qdrant_api_key="wrong", cache_dir=MODELS_IN)))
    assert "does not accept the key" in found.found and "FRESHET_QDRANT_API_KEY" in found.remedy
    assert "wrong" not in found.found + found.remedy


def test_a_qdrant_of_another_version_is_named() -> None:
    with aside(QdrantStub("1.12.4")) as stub:
        found = failed(check_qdrant(Settings(qdrant_url=stub.url, cache_dir=MODELS_IN)))
    assert "1.12.4 is not supported" in found.found and "1.19" in found.remedy


def test_a_qdrant_without_the_collection_is_a_warning_that_names_the_indexer() -> None:
    with aside(QdrantStub()) as stub:
        (found,) = check_qdrant(Settings(qdrant_url=stub.url, cache_dir=MODELS_IN))
    assert found.level == "warn" and "has no collection freshet.videos" in found.found and "indexer" in found.remedy


def test_a_gpu_that_is_asked_for_and_absent_is_named() -> None:
    lack = "this machine has no NVIDIA driver"
    found = failed(installation.check_providers(Settings(provider="cuda"), lambda: lack))
    assert found.found == f"FRESHET_PROVIDER is cuda, but {lack}" and "FRESHET_PROVIDER=cpu" in found.remedy


def with_small_models(cache_dir: Path) -> Path:
    """A complete model folder of small files, in this cache folder."""
    folder = small_folder(folder_of(cache_dir))
    small_folder(folder / SPEECH_FOLDER)
    return folder


def test_a_damaged_model_is_named(tmp_path: Path) -> None:
    settings, folder = Settings(cache_dir=tmp_path), with_small_models(tmp_path)
    assert [one.level for one in installation.check_models(settings)] == ["ok"]
    file = min(folder.glob("*.onnx"))
    file.write_text("b")
    found = failed(installation.check_models(settings))
    assert file.name in found.found and "sha256" in found.found and "freshet export" in found.remedy


def test_a_missing_speech_detector_is_a_warning_and_a_damaged_one_a_failure(tmp_path: Path) -> None:
    settings, folder = Settings(cache_dir=tmp_path), small_folder(folder_of(tmp_path))
    fine, lacking = installation.check_models(settings)
    assert (fine.level, lacking.level) == ("ok", "warn")
    assert "lacks the speech detector" in lacking.found and "FRESHET_MODELS" in lacking.remedy
    detector = small_folder(folder / SPEECH_FOLDER)
    assert [one.level for one in installation.check_models(settings)] == ["ok"]
    (detector / "a.txt").write_text("b")
    assert f"{SPEECH_FOLDER}/a.txt differs" in failed(installation.check_models(settings)).found


def test_missing_models_are_named(tmp_path: Path) -> None:
    assert MODELS in failed(installation.check_models(Settings(cache_dir=tmp_path))).found


@pytest.mark.parametrize(("room", "level"), [(50_000_000, "fail"), (900_000_000, "warn"), (90_000_000_000, "ok")])
def test_a_full_disk_is_named(tmp_path: Path, room: int, level: str) -> None:
    settings = Settings(data_dir=tmp_path / "not/made/yet", cache_dir=tmp_path)
    found = list(machine.check_disk(settings, lambda folder: room if folder == tmp_path else 0))
    assert [one.level for one in found] == [level, level]
    assert level != "fail" or ("full" in found[0].found and "FRESHET_DATA_DIR" in found[0].remedy)


def test_two_wheels_of_onnxruntime_are_named() -> None:
    def version_of(name: str) -> str:
        if name in ("onnxruntime-directml", "onnxruntime-openvino"):
            raise PackageNotFoundError(name)
        return {"faust-streaming": "0.15.3", "mode-streaming": "0.7.1", "aiokafka": "0.14.0"}.get(name, "1.31.1")

    found = failed(installation.check_packages(version_of))
    assert "onnxruntime and onnxruntime-gpu are installed" in found.found and "pip uninstall" in found.remedy


def test_a_package_of_another_version_is_named() -> None:
    def version_of(name: str) -> str:
        if name == "mode-streaming":
            raise PackageNotFoundError(name)
        return {"faust-streaming": "0.15.3", "aiokafka": "0.14.0"}.get(name, "1.31.1")

    found = [*installation.check_packages(version_of)]
    assert "mode-streaming is missing, wanted 0.7.1" in [one.found for one in found]
    assert {one.level for one in found} == {"fail"}


def test_this_installation_is_sound() -> None:
    found = [*installation.check_python(), *installation.check_packages()]
    assert [one.level for one in found] == ["ok", "ok"]
    assert failed(installation.check_python((3, 10, 2))).found == "this is Python 3.10.2"


@pytest.mark.parametrize(
    ("kernel", "is_built", "said"),
    [
        ("auto", True, "ranking's loops are compiled"),
        ("auto", False, "in NumPy, which takes more CPU: `python -m ranker.pipeline.kernel.build`"),
        ("off", True, "in NumPy: FRESHET_KERNEL=off"),
    ],
)
def test_which_form_of_rankings_loops_runs_is_said(kernel: Literal["auto", "off"], is_built: bool, said: str) -> None:
    (found,) = installation.check_kernel(Settings(kernel=kernel), is_built)
    assert found.level == "ok" and said in found.found


def test_a_check_that_hangs_or_breaks_does_not_keep_the_next_one() -> None:
    released = threading.Event()

    def hangs() -> list[Finding]:
        released.wait(60)
        return []

    def breaks() -> list[Finding]:
        raise RuntimeError("no such thing")

    def refuses() -> list[Finding]:
        raise OperatorError("Kafka is closed.", "Open it.")

    checks = [("a", hangs), ("b", breaks), ("c", refuses), ("d", lambda: [ok("d", "well")])]
    began_s = time.monotonic()
    found = list(run_checks(checks, limit_s=0.2))
    released.set()
    assert time.monotonic() - began_s < 10
    assert [one.level for one in found] == ["fail", "fail", "fail", "ok"]
    assert "did not end within 0.2 s" in found[0].found and "no such thing" in found[1].found
    assert found[2] == Finding("fail", "c", "Kafka is closed.", "Open it.")


def test_the_command_prints_cause_and_remedy_and_ends_with_one_where_something_fails(
    freshet: Freshet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_small_models(tmp_path / "cache")
    monkeypatch.setenv("FRESHET_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("FRESHET_BROKER_WAIT_S", "0")
    ran = freshet("doctor", "--bootstrap", NOWHERE, "--data-dir", tmp_path)
    assert ran.code == 1
    assert f"FAIL  broker    No Kafka broker answered at {NOWHERE}" in ran.out
    assert "\n  -> Start one with `freshet broker`" in ran.out
    ran = freshet("doctor", "--bootstrap", NOWHERE, "--data-dir", tmp_path, "--json")
    found = {one["check"]: one for one in json.loads(ran.out)}
    assert (ran.code, found["broker"]["level"], found["python"]["level"]) == (1, "fail", "ok")
    assert found["models"]["level"] == "ok"
    assert found.keys() == {name for name, _ in examine.checks_of(Settings())}


def test_without_a_failure_the_command_ends_with_nought(
    freshet: Freshet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(examine, "checks_of", lambda _: [("a", lambda: [ok("a", "well")])])
    assert freshet("doctor", "--data-dir", tmp_path) == (0, "ok    a         well\n", "")
