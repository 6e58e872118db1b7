"""Feeds by name: which function makes the pipeline, and what is said about a name that cannot be used."""

import re
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from ranker.catalogue.catalogue import Catalogue
from ranker.feeds.feed import FeedContext
from ranker.feeds.load import build_feed
from ranker.feeds.ranking_table import usual_table
from ranker.pipeline.pipeline import Pipeline
from ranker.retrieval.exact import ExactIndex
from schemas.settings.load import SettingsError, load


def built(name: str | None = None, **settings: object) -> Pipeline:
    catalogue = Catalogue()
    return build_feed(
        FeedContext(catalogue, ExactIndex(catalogue), load({"feed": name, **settings}, {}, None).settings)
    )


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is the module `own_feed`."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_feed", raising=False)
    return tmp_path / "own_feed.py"


def test_the_home_feed_is_the_default_and_names_its_versions() -> None:
    pipeline = built()
    assert (pipeline.policy, pipeline.scorer.name) == ("home@2", f"learned@{usual_table().version}-0")
    assert pipeline.source_names == ("near_recent", "trending", "trending_here", "fresh", "creators", "popular")


def test_the_context_keeps_the_fields_that_feeds_are_written_against() -> None:
    named = {field.name for field in fields(FeedContext)}
    assert {"catalogue", "index", "settings", "parameters", "clock", "learned"} <= named
    assert isinstance(FeedContext.slate_size, property)


def test_a_feed_sees_its_context(module: Path) -> None:
    module.write_text(
        "from dataclasses import replace\n"
        "from ranker.feeds import home\n"
        "def build(context):\n"
        "    assert not context.parameters and context.clock() == 0.0\n"
        "    return replace(home.build(context), policy=f'of-{context.slate_size}@{context.settings.seed}')\n"
    )
    assert built("own_feed:build", slate_size=7, seed=3).policy == "of-7@3"


@pytest.mark.parametrize(
    "name", ["home", "ranker.feeds.home", "ranker.feeds.home:", ":build", "a b:c", "a:b:c", "a..b:c"]
)
def test_a_name_that_is_no_module_and_function_is_refused_with_the_settings(name: str) -> None:
    with pytest.raises(SettingsError, match=r"FRESHET_FEED cannot be .*: it should be package.module:function"):
        load({}, {"FRESHET_FEED": name}, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, ": there is no module own_feed; install it"),
        ("import not_there", ": own_feed cannot be imported (No module named 'not_there')."),
        ("def build_it(context): ...", ": own_feed has no build; the nearest function is build_it."),
        ("", ": own_feed has no build."),
        ("build = 3", ": build is of the type int, not a function."),
        (
            "def build(): ...",
            " failed (TypeError: build() takes 0 positional arguments but 1 was given); FRESHET_DEBUG=1",
        ),
        ("def build(context): ...", " returned a NoneType instead of a ranker.pipeline.pipeline.Pipeline."),
        (
            "def build(context): return 1 / 0",
            " failed (ZeroDivisionError: division by zero); FRESHET_DEBUG=1 shows where.",
        ),
        (
            "from dataclasses import replace\nfrom ranker.feeds import home\n"
            "def build(context): return replace(home.build(context), sources=())",
            " failed (PipelineError: The pipeline home@2 has no source. Give it at least one.)",
        ),
    ],
)
def test_a_feed_that_cannot_be_used_is_named_with_what_to_do(module: Path, text: str | None, said: str) -> None:
    if text is not None:
        module.write_text(text)
    with pytest.raises(SettingsError, match=f"^FRESHET_FEED=own_feed:build{re.escape(said)}"):
        built("own_feed:build")
