"""The publisher's and the consumer's page: their tables are those of the types, and what they name exists."""

import json
import re
import runpy
from pathlib import Path

import pytest

from ranker.catalogue.popularity import HALF_LIFE_S
from ranker.feeds.home import REASONS
from ranker.pipeline.merge import FILL, RESHOW_SEEN
from ranker.pipeline.reranking import MIN_EXPLORE_SIZE
from ranker.profile.history import POSITIVE, RATED_BAD, RATED_GOOD, WHOLE_MS
from ranker.profile.model import SEEN
from ranker.profile.outcomes import HEADS
from schemas.messages.dead_letters import EXPLAINED, Reason
from schemas.messages.feedback import KIND_OF
from schemas.messages.fields import DAY_MS, YEAR_2000_MS
from schemas.messages.recommendations import SLATE_LIFE_MS
from schemas.settings.model import Settings
from schemas.topics import RECOMMENDATIONS
from streams.dead_letters.validation import FUTURE_MS
from tests.meta.message_tables import PAGES, TABLES, filled, names_in, type_of
from tests.support.documented_scripts import scripts_of
from tests.support.paths import ROOT

PUBLISHING, CONSUMING = (page.read_text("utf-8") for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tables_of_a_page_are_those_of_the_types(page: Path) -> None:
    text = page.read_text("utf-8")
    assert text == filled(text), "run `make schemas`"


def test_every_table_stands_on_one_page() -> None:
    assert sorted(names_in(PUBLISHING) + names_in(CONSUMING)) == sorted(TABLES)


def test_a_table_that_was_changed_by_hand_is_found() -> None:
    assert filled(PUBLISHING.replace("weight 80 %", "weight 81 %")) == PUBLISHING


def test_every_reason_has_a_cause_and_a_remedy() -> None:
    assert set(EXPLAINED) == set(Reason)
    assert all(one.cause and one.remedy for one in EXPLAINED.values())


def test_every_kind_of_event_has_an_effect() -> None:
    assert all(f"| `{kind}`" in TABLES["effects"]() for kind in KIND_OF.values())


def test_the_page_names_what_a_slate_may_say() -> None:
    codes, heads = [one.code for one in REASONS], [*HEADS]
    sources = [source for one in REASONS for source in one.sources]
    for name in (*codes, *heads, *sources, FILL, RESHOW_SEEN, "vector_index", "explore"):
        assert f"`{name}`" in CONSUMING, name


@pytest.mark.parametrize(
    ("text", "words", "value"),
    [
        (PUBLISHING, "or of 18 s where the video is longer", WHOLE_MS == 18_000),
        (
            PUBLISHING,
            "A rating from 0.75 on counts like a like, up to 0.35 like a skip",
            (RATED_GOOD, RATED_BAD) == (0.75, 0.35),
        ),
        (PUBLISHING, "from half a watch on", POSITIVE == 50),
        (PUBLISHING, "Half of it is forgotten every six hours", HALF_LIFE_S == 6 * 3600),
        (PUBLISHING, "until 512 others were seen", SEEN == 512),
        (PUBLISHING, "an event may be 5 minutes ahead", FUTURE_MS == 5 * 60_000),
        (CONSUMING, "`expires_at_ms` is 30 minutes after", SLATE_LIFE_MS == 30 * 60_000),
        (CONSUMING, "two places of a slate of ten or more", MIN_EXPLORE_SIZE == 10),
        (CONSUMING, "is compacted and keeps 7 days", RECOMMENDATIONS.retention_ms == 7 * DAY_MS),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_a_number_in_a_sentence_is_that_of_the_code(text: str, words: str, value: bool) -> None:
    assert words in " ".join(text.split())
    assert value


@pytest.mark.parametrize("text", [PUBLISHING, CONSUMING], ids=["publishing", "consuming"])
def test_every_setting_that_a_page_names_exists(text: str) -> None:
    named = {name.lower() for name in re.findall(r"FRESHET_([A-Z_]+)", text)}
    assert named <= set(Settings.model_fields)


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ({"type": "integer", "minimum": YEAR_2000_MS, "maximum": 2 * YEAR_2000_MS}, "integer, years 2000 to 2100"),
        ({"type": "number", "exclusiveMinimum": 0.0, "maximum": 1.0}, "number, above 0, at most 1"),
        ({"type": "number", "minimum": 0.0, "maximum": 1.0}, "number, 0 to 1"),
        (
            {"anyOf": [{"type": "string", "minLength": 1, "maxLength": 9}, {"type": "null"}]},
            "string, 1 to 9 characters",
        ),
        ({"type": "array", "items": {"$ref": "#/$defs/Item"}, "maxItems": 3}, "list of [Item](#item), at most 3"),
        ({"const": "like", "type": "string"}, '`"like"`'),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_type_is_said_in_words(field: dict[str, object], words: str) -> None:
    assert type_of(field) == words


def lines(file: Path, rows: list[dict[str, object]]) -> str:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(file)


def test_the_documented_estimate_weighs_drawn_videos_by_their_propensity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    places = [("s1", "new", 0.25), ("s1", "old", 1.0), ("s2", "other", 0.5)]
    slates: list[dict[str, object]] = [
        {"recommendation_id": slate, "items": [{"rank": rank, "video_id": video, "propensity": chance}]}
        for rank, (slate, video, chance) in enumerate(places, 1)
    ]
    shown = [{"kind": "impression", "recommendation_id": slate, "video_id": video} for slate, video, _ in places]
    liked = [{"kind": "like", "recommendation_id": "s1", "video_id": video} for video in ("new", "old", "unknown")]
    script = tmp_path / "off_policy.py"
    script.write_text(scripts_of(ROOT / "docs/consuming.md")[script.name], "utf-8")
    files = (
        lines(tmp_path / "slates.jsonl", [*slates, {"user_id": "ana", "erased": True}]),
        lines(tmp_path / "events.jsonl", [*shown, *shown, *liked, {"kind": "search", "query": "cats"}]),
    )
    monkeypatch.setattr("sys.argv", [str(script), *files])
    runpy.run_path(str(script))
    assert capsys.readouterr().out.splitlines() == [
        "rank 1: 1 of 1",
        "rank 2: 1 of 1",
        "rank 3: 0 of 1",
        f"drawn videos: {4 / (4 + 2):.3f}",
    ]
