"""The table that the home feed ranks by: what it may say, and what is said of a mistake."""

from pathlib import Path

import pytest

from ranker.catalogue.catalogue import Catalogue
from ranker.feeds.feed import FeedContext
from ranker.feeds.home import build
from ranker.feeds.ranking_table import RankingError, read_table, usual_table
from ranker.pipeline.pipeline import Pipeline
from ranker.retrieval.exact import ExactIndex
from schemas.settings.load import SettingsError, load


def built(ranking: Path) -> Pipeline:
    catalogue = Catalogue()
    settings = load({"ranking": str(ranking)}, {}, None).settings
    return build(FeedContext(catalogue, ExactIndex(catalogue), settings))


def test_what_a_table_leaves_out_is_as_usual_and_nothing_else_changes() -> None:
    assert read_table("") == usual_table()
    table = read_table("[worth]\nlike = 3\n[by_hand.skip]\nlong = 0.5")
    changed = dict(table.rows()).items() - dict(usual_table().rows()).items()
    assert dict(changed) == {"worth.like": 3.0, "by_hand.skip.long": 0.5}


def test_every_number_is_part_of_the_version() -> None:
    versions = {usual_table().version, read_table("worth.like = 3").version, read_table("sources.fresh = 9").version}
    versions |= {read_table("slate.explore = false").version, read_table("by_hand.like.similar = 1.5").version}
    assert len(versions) == 5
    assert read_table("worth.like = 2").version == read_table("worth.like = 2.0").version == usual_table().version


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("worth.lik = 3", "worth.lik is not known; the nearest one is worth.like"),
        ("[slat]", "slat is not known; the nearest one is slate"),
        ("slate.relevance = 1.5", "slate.relevance cannot be 1.5: it should be less than or equal to 1"),
        ("slate.relevance = nan", "slate.relevance cannot be nan: it should be a finite number"),
        ("sources.fresh = -1", "sources.fresh cannot be -1: it should be greater than or equal to 0"),
        ("sources.fresh = true", "sources.fresh cannot be True: it should be a valid integer"),
        ("worth = 3", "worth cannot be 3"),
        ("by_hand.like.liking_it = 1", "liking_it is no feature; the nearest one is liking"),
        ("by_hand.like.liking = 1e9", "by_hand.like.liking cannot be 1000000000.0"),
        ("[worth", "it is not TOML"),
        ("\n".join(f"sources.{name} = 0" for name, _ in usual_table().sources), "all are switched off"),
    ],
)
def test_a_mistake_is_named_with_what_is_needed(text: str, said: str) -> None:
    with pytest.raises(RankingError) as error:
        read_table(text)
    assert said in str(error.value)


def test_the_home_feed_ranks_by_the_table_that_the_settings_name(tmp_path: Path) -> None:
    file = tmp_path / "ranking.toml"
    file.write_text("[sources]\ntrending = 0\npopular = 0\n")
    pipeline = built(file)
    assert pipeline.source_names == ("near_recent", "trending_here", "fresh", "creators")
    assert pipeline.scorer.name == f"learned@{read_table(file.read_text()).version}-0"


def test_a_table_that_cannot_be_used_is_said_with_its_file(tmp_path: Path) -> None:
    file = tmp_path / "ranking.toml"
    with pytest.raises(SettingsError, match=r"FRESHET_RANKING=.*No such file"):
        built(file)
    file.write_text("sources = 1")
    with pytest.raises(SettingsError, match=r"FRESHET_RANKING=.*sources cannot be 1"):
        built(file)
