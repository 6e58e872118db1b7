"""A prefix that was mistyped: every command that reads or writes topics says that there are none of that name."""

from pathlib import Path

import pytest

from streams.kafka import topic_admin
from streams.local.broker import LocalBroker
from tests.support.brokers import CACHE, settings_for
from tests.support.command import Freshet
from tests.support.log_lines import LIKE, UPLOAD, log_of

pytestmark = pytest.mark.connected


@pytest.mark.parametrize(
    "command",
    [
        ["digest"],
        ["contract", "verify", "--from-start"],
        ["dlq", "ls"],
        ["dlq", "show"],
        ["dlq", "replay", "--reason", "schema"],
        ["dlq", "replay", "--reason", "schema", "--dry-run"],
        ["watch"],
        ["watch", "u", "--from-start"],
        ["review"],
        ["reuploads"],
        ["search", "pasta"],
        ["similar", "v1"],
        ["playlist", "u"],
        ["train-fusion"],
        ["rebuild", "--qdrant-url", "http://127.0.0.1:1"],
        ["forget", "u"],
        ["forget", "u", "--prove"],
        ["backfill", "LOG"],
        ["send", "LOG"],
        ["replay", "LOG", "--to-kafka"],
        ["worker", "profiles"],
    ],
    ids=" ".join,
)
def test_a_mistyped_prefix_is_named_and_nothing_is_made(
    freshet: Freshet, broker: LocalBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("FRESHET_CACHE_DIR", str(CACHE.settings.cache_dir))
    log = str(log_of(tmp_path, UPLOAD, LIKE))
    arguments = [log if one == "LOG" else one for one in command]
    ran = freshet(*arguments, "--bootstrap", broker.bootstrap, "--prefix", "freshett.", "--data-dir", tmp_path)
    assert ran.code == 1
    said = "topic is missing" if command[0] == "worker" else "There is no topic freshett."
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert topic_admin.topic_configs(settings_for(broker, prefix="freshett.")) == {}
