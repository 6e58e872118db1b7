"""The archive of Kafka's classes: made once, used by each broker, and nothing stands or falls with it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from streams.local.broker import LocalBroker, free_port
from streams.local.class_archive import make_class_archive
from streams.local.java import archive_of
from tests.support.brokers import java_that, linked_jars, needs_java_and_maven


@pytest.mark.connected
@pytest.mark.skipif(sys.platform != "linux", reason="what a process has mapped is in /proc")
def test_an_archive_of_classes_is_made_once_and_used(tmp_path: Path):
    jars, said = linked_jars(tmp_path), list[str]()
    for _ in range(2):
        make_class_archive(jars, said.append)
    assert len(said) == 1 and "making an archive" in said[0]
    assert {path.name for path in tmp_path.iterdir()} == {"jars"}
    broker = LocalBroker(tmp_path / "broker", jars, free_port())
    try:
        broker.start()
        assert broker.process
        assert str(archive_of(jars)) in Path(f"/proc/{broker.process.pid}/maps").read_text()
    finally:
        broker.kill()


@pytest.mark.connected
@pytest.mark.parametrize("content", [None, b"", b"damaged" * 10_000])
def test_an_archive_that_cannot_be_used_is_passed_over(tmp_path: Path, content: bytes | None):
    jars = linked_jars(tmp_path)
    if content is not None:
        archive_of(jars).write_bytes(content)
    command = LocalBroker(tmp_path, jars, free_port())._java("kafka.tools.StorageTool", "random-uuid")
    assert f"-XX:SharedArchiveFile={archive_of(jars)}" in command
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.fullmatch(r"[\w-]{22}", done.stdout.splitlines()[-1])


def test_where_no_archive_can_be_made_that_is_said_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    jars, said = java_that(tmp_path, "echo 'Error: no such option'; exit 1", monkeypatch), list[str]()
    jars.mkdir()
    make_class_archive(jars, said.append)
    assert len(said) == 2 and "brokers start without" in said[1] and "no such option" in said[1]
    assert list(jars.iterdir()) == []


def test_another_java_has_an_archive_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    needs_java_and_maven()
    one = archive_of(tmp_path)
    java_that(tmp_path, "", monkeypatch)
    assert archive_of(tmp_path) != one
