"""Seams: a source or a scorer is added in one place, by a team of its own without a fork, and a replay shows it."""

import filecmp
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranker.catalogue.catalogue import Catalogue
from ranker.feeds import home
from ranker.feeds.feed import FeedContext
from ranker.pipeline.features import NAMES
from ranker.pipeline.pipeline import Pipeline
from ranker.pipeline.sources import same_for_all
from ranker.pipeline.types import FeatureMatrix, Query, QueryBatch, Scorer, Scores, Source, SourceResult
from schemas.messages import feedback, videos
from schemas.settings.model import Settings
from tests.support.brokers import CACHE
from tests.support.command import freshet
from tests.support.events import minute, uploaded, watched
from tests.support.paths import ROOT

MOST_FILES = 3  # that a new source or a new scorer may touch: its own, the feed's and its test's

# --- what somebody adds ----------------------------------------------------------------------------


def summery(catalogue: Catalogue) -> Source:
    """Videos about the summer."""

    async def summery(batch: QueryBatch) -> SourceResult:
        rows = [row for row in catalogue.row_of.values() if "summer" in catalogue.tags[row]]
        return same_for_all(np.array(rows, np.int32), batch)

    return summery


def with_summery(context: FeedContext) -> Pipeline:
    """The home feed with one more source."""
    pipeline = home.build(context)
    return replace(pipeline, policy="summer@1", sources=(*pipeline.sources, summery(context.catalogue)))


def newest_first(features: FeatureMatrix) -> Scores:
    """The newest video has the highest score."""
    return Scores({}, features["fresh"])


def with_newest_first(context: FeedContext) -> Pipeline:
    """The home feed with another scorer."""
    return replace(home.build(context), policy="newest@1", scorer=Scorer("newest-first@1", newest_first))


# --- the same as a change of the tree: text for the end of a module, and one line of the home feed -----

SOURCE = '''

def summery(catalogue: Catalogue) -> Source:
    """Videos about the summer."""

    async def summery(batch: QueryBatch) -> SourceResult:
        rows = [row for row in catalogue.row_of.values() if "summer" in catalogue.tags[row]]
        return same_for_all(np.array(rows, np.int32), batch)

    return summery
'''
SCORER = '''

def newest_first() -> Scorer:
    """The newest video has the highest score."""

    def score(features: FeatureMatrix) -> Scores:
        return Scores({}, features["fresh"])

    return Scorer("newest-first@1", score)
'''
CHANGES = {
    "source": (
        "sources.py",
        SOURCE,
        "sources.popular(catalogue, size.popular),",
        "sources.popular(catalogue, size.popular), sources.summery(catalogue),",
    ),
    "scorer": (
        "learned.py",
        SCORER,
        "scorer=learned.learned_sum(worth, table.version, lambda: known.version),",
        "scorer=learned.newest_first(),",
    ),
}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty uploads, two of them about the summer, and three events of one person."""
    uploads = [
        uploaded(f"v{n:02}", minute(n - 60), title=f"Lesson {n}", tags=["summer"] if n % 15 == 7 else ["violin"])
        for n in range(30)
    ]
    events = [watched("ana", f"v{n:02}", minute(n), event_id=f"e{n}") for n in range(3)]
    file = tmp_path_factory.mktemp("log") / "log.jsonl"
    file.write_bytes(b"\n".join([*map(videos.encode, uploads), *map(feedback.encode, events)]))
    return file


def slates_of(log: Path, folder: Path, feed: str, cwd: Path = ROOT) -> list[dict[str, Any]]:
    """What `freshet replay` makes of the log by a feed."""
    settings = Settings(cache_dir=CACHE.settings.cache_dir, data_dir=folder, feed=feed, slate_size=40)
    done = freshet(settings, "replay", log, "--out", folder / "slates.jsonl", cold=True, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in (folder / "slates.jsonl").read_bytes().splitlines()]


def assert_summery(slates: list[dict[str, Any]]) -> None:
    assert len(slates) == 3
    for slate in slates:
        sources = {item["video_id"]: item["sources"] for item in slate["items"]}
        assert {name for name, named in sources.items() if "summery" in named} == {"v07", "v22"}
        reasons = {item["video_id"]: [reason["code"] for reason in item["reasons"]] for item in slate["items"]}
        assert {name for name, codes in reasons.items() if "summery" in codes} == {"v07", "v22"}


def assert_newest_first(slates: list[dict[str, Any]]) -> None:
    assert len(slates) == 3
    for slate in slates:
        assert slate["models"]["ranker"] == "newest-first@1"
        assert slate["items"][0]["video_id"] == "v29" and slate["items"][0]["p"] == {}


def test_a_team_adds_a_source_by_a_feed_of_its_own(log: Path, tmp_path: Path) -> None:
    slates = slates_of(log, tmp_path, f"{__name__}:with_summery")
    assert_summery(slates)
    assert all(slate["models"]["policy"] == "summer@1" for slate in slates)


def test_a_team_adds_a_scorer_by_a_feed_of_its_own(log: Path, tmp_path: Path) -> None:
    slates = slates_of(log, tmp_path, f"{__name__}:with_newest_first")
    assert_newest_first(slates)
    assert all(slate["models"]["policy"] == "newest@1" for slate in slates)


@pytest.mark.parametrize(("change", "check"), [("source", assert_summery), ("scorer", assert_newest_first)])
def test_one_function_and_one_line_of_the_home_feed_add_a_stage(
    log: Path, tmp_path: Path, change: str, check: Any
) -> None:
    module, function, before, after = CHANGES[change]
    shutil.copytree(ROOT / "ranker", tmp_path / "ranker", ignore=shutil.ignore_patterns("__pycache__"))
    append(tmp_path / "ranker/pipeline" / module, function)
    change_one_line(tmp_path / "ranker/feeds/home.py", before, after)
    changed = sorted(differing(filecmp.dircmp(ROOT / "ranker", tmp_path / "ranker", ignore=["__pycache__"])))
    assert changed == ["home.py", module]
    assert len(changed) + len(["its test"]) <= MOST_FILES
    check(slates_of(log, tmp_path, Settings().feed, cwd=tmp_path))


def append(file: Path, text: str) -> None:
    file.write_text(file.read_text("utf-8") + text, "utf-8")


def change_one_line(file: Path, before: str, after: str) -> None:
    text = file.read_text("utf-8")
    assert text.count(before) == 1
    file.write_text(text.replace(before, after), "utf-8")


def differing(compared: "filecmp.dircmp[str]") -> Iterator[str]:
    """Names of the files that differ or are on one side alone, in all folders."""
    yield from (*compared.diff_files, *compared.left_only, *compared.right_only)
    for below in compared.subdirs.values():
        yield from differing(below)


def test_the_page_names_what_a_stage_finds() -> None:
    page = (ROOT / "docs/extending.md").read_text("utf-8")
    section = page.partition("\n## What a stage may read\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
    named = re.findall(r"`([\w.]+)[`(]", " ".join(cells))
    catalogue, query, features = named[: named.index("query.profile")], named[-11:-8], named[-8:]
    assert [name for name in catalogue if not hasattr(Catalogue(), name)] == [] and "best" in catalogue
    assert query == ["query.now_ms", "query.seed", "batch.query_features"]
    assert {name.partition(".")[2] for name in query} <= {*Query.__annotations__, *QueryBatch.__annotations__}
    assert features == [*NAMES]
