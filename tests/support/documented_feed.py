"""The scripts of docs/extending.md, and what their feed's slates have to say."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.documented_scripts import EXTENDING, scripts_of

CATEGORY_FEED = "category_feed:build"


def write_scripts(folder: Path) -> None:
    """Write the feed of the page and its test into a folder."""
    scripts = scripts_of(EXTENDING)
    for name in ("category_feed.py", "test_category_feed.py"):
        (folder / name).write_text(scripts[name], "utf-8")


def assert_documented(slates: Sequence[dict[str, Any]]) -> None:
    """Slates name the documented versions, and some items the documented source and its reason."""
    assert slates
    for slate in slates:
        assert (slate["models"]["ranker"], slate["models"]["policy"]) == ("near-and-fresh@1", "category@1")
        assert all(item["p"].keys() == {"finish"} for item in slate["items"])
    items = [item for slate in slates for item in slate["items"]]
    assert any("last_category" in item["sources"] for item in items)
    explained = [item for item in items for reason in item["reasons"] if reason["code"] == "same_category"]
    assert explained and all("last_category" in item["sources"] for item in explained)
