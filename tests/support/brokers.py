"""A real Kafka for tests: jars from the usual cache, data in a folder of the test."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from encoders.base import LABELS
from schemas.settings.load import load
from schemas.settings.model import Settings
from streams.local.broker import LocalBroker, local_broker
from streams.local.jars import kafka_jars

CACHE = load({}, {k: v for k, v in os.environ.items() if k in ("FRESHET_CACHE_DIR", "XDG_CACHE_HOME")}, None)


def needs_java_and_maven() -> None:
    """Skip the test where one of them is missing."""
    for program in ("java", "mvn"):
        if not shutil.which(program):
            pytest.skip(f"a local Kafka needs {program}")


@contextmanager
def broker_in(folder: Path, port: int = 0, reset: bool = False) -> Iterator[LocalBroker]:
    """Run a broker with its data in the folder; the test is skipped where Java or Maven is missing."""
    needs_java_and_maven()
    with local_broker(folder, CACHE.settings.cache_dir, port, reset) as broker:
        yield broker


def share_labels(data_dir: Path) -> None:
    """Have encoding agents with this data folder find the vectors of labels that others have made: 3 s of CPU else."""
    kept, link = CACHE.settings.cache_dir / LABELS, data_dir / LABELS
    kept.mkdir(parents=True, exist_ok=True)
    data_dir.mkdir(parents=True, exist_ok=True)
    if not link.exists():
        link.symlink_to(kept)


def settings_for(broker: LocalBroker, **changes: object) -> Settings:
    """Settings that point to the broker, with the models and jars that all tests share."""
    folders = {"cache_dir": CACHE.settings.cache_dir}
    return load({"bootstrap": broker.bootstrap, "broker_wait_s": 300, **folders, **changes}, {}, None).settings


def java_that(tmp_path: Path, does: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program named java on the PATH; gives the folder for jars, in which nothing is fetched."""
    (tmp_path / "bin").mkdir(exist_ok=True)
    (tmp_path / "bin" / "java").write_text(f"#!/bin/sh\n{does}\n")
    (tmp_path / "bin" / "java").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return tmp_path / "jars"


def linked_jars(tmp_path: Path) -> Path:
    """A folder of links to Kafka's jars, and nothing that was made of them."""
    needs_java_and_maven()
    folder = tmp_path / "jars"
    folder.mkdir()
    for jar in kafka_jars(CACHE.settings.cache_dir, lambda _: None).glob("*.jar"):
        (folder / jar.name).symlink_to(jar)
    return folder
