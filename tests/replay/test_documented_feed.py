"""The feed that docs/extending.md shows, run as it stands there: under its laws, and by `freshet replay`."""

import json
import subprocess
import sys
from pathlib import Path

from schemas.settings.model import Settings
from tests.support.brokers import CACHE
from tests.support.command import freshet
from tests.support.documented_feed import CATEGORY_FEED, assert_documented, write_scripts
from tests.support.paths import GOLDEN


def test_the_documented_feed_replays_a_log(tmp_path: Path) -> None:
    write_scripts(tmp_path)
    settings = Settings(cache_dir=CACHE.settings.cache_dir, data_dir=tmp_path, feed=CATEGORY_FEED)
    out = tmp_path / "slates.jsonl"
    done = freshet(settings, "replay", GOLDEN / "log.jsonl", "--out", out, PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    slates = [json.loads(line) for line in out.read_bytes().splitlines()]
    assert len(slates) == 240
    assert_documented(slates)


def test_the_documented_feed_fulfils_its_laws(tmp_path: Path) -> None:
    write_scripts(tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_category_feed.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout and "skipped" not in done.stdout


def test_a_feed_that_is_not_there_ends_a_replay_with_a_sentence(tmp_path: Path) -> None:
    settings = Settings(cache_dir=CACHE.settings.cache_dir, data_dir=tmp_path, feed="not_there:build")
    done = freshet(settings, "replay", GOLDEN / "log.jsonl")
    assert done.returncode == 2
    assert "freshet: FRESHET_FEED=not_there:build: there is no module not_there; install it" in done.stderr
