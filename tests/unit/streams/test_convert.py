"""Recorded logs of others: which events a row becomes, in which order, and that every line can be read."""

import csv
import gzip
import json
import sys
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from schemas.messages import videos
from schemas.messages.feedback import Rate, Skip, VideoEvent, Watch
from schemas.messages.fields import why_not_an_id
from streams.cli.convert import app
from streams.errors import OperatorError
from streams.logs.convert.kuairand import convert_kuairand, kuairand_events
from streams.logs.convert.movielens import MOVIELENS_LATER_MS, convert_movielens, movielens_events
from streams.logs.convert.writer import UNTAGGED
from tests.support.events import events_of
from tests.support.paths import DATA

KUAIRAND, MOVIELENS = DATA / "kuairand-pure", DATA / "movielens-latest-small"
needs_kuairand = pytest.mark.skipif(not KUAIRAND.is_dir(), reason=f"needs the KuaiRand files in {KUAIRAND}")
needs_movielens = pytest.mark.skipif(not MOVIELENS.is_dir(), reason=f"needs the MovieLens files in {MOVIELENS}")

T = 1_650_900_000_000
ROW = {
    "user_id": 1, "video_id": 2, "time_ms": T, "is_like": 0, "is_follow": 0, "is_comment": 0, "is_forward": 0,
    "is_hate": 0, "long_view": 0, "play_time_ms": 9_000, "duration_ms": 20_000, "tab": 1,
}  # fmt: skip
FEATURES = "video_id,author_id,upload_dt,video_duration,music_id,tag"


def row(**more):
    return {**ROW, **more}


def kinds(events):
    return [event.__struct_config__.tag for event in events]


def kuairand_folder(folder: Path, rows: list[dict], features: list[str]) -> Path:
    """A folder as KuaiRand's, with these rows and lines of video features."""
    parquet = pytest.importorskip("pyarrow.parquet")
    pyarrow = pytest.importorskip("pyarrow")
    parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "log_standard_test.parquet")
    (folder / "video_features_basic_pure.csv").write_text("\n".join([FEATURES, *features]) + "\n")
    return folder


def movielens_folder(folder: Path, ratings: list[str]) -> Path:
    movies = ["movieId,title,genres", '7,"Heat, The (1995)",Action|Crime', "8,Untitled,(no genres listed)"]
    with gzip.open(folder / "movies.csv.gz", "wt") as file:
        file.write("\n".join(movies) + "\n")
    (folder / "ratings.csv").write_text("\n".join(["userId,movieId,rating,timestamp", *ratings]) + "\n")
    return folder


def uploads_of(log: Path) -> list[videos.Upload]:
    lines = [line for line in log.read_bytes().splitlines() if line.startswith(b'{"kind":"upload"')]
    return [upload for upload in map(videos.decode, lines) if isinstance(upload, videos.Upload)]


# KuaiRand: rows to events


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"play_time_ms": 3_000}, "skip"),
        ({"play_time_ms": 3_001}, "watch"),
        ({"play_time_ms": 0}, "skip"),
        ({"play_time_ms": 0, "tab": 0}, "watch"),  # plays only after a tap: not watching is no skip
        ({"play_time_ms": 2_000, "long_view": 1}, "watch"),
        ({"play_time_ms": 2_000, "is_like": 1}, "watch"),
        ({"play_time_ms": 2_000, "is_follow": 1}, "watch"),
        ({"play_time_ms": 2_000, "is_comment": 1}, "watch"),
        ({"play_time_ms": 2_000, "is_forward": 1}, "watch"),
        ({"play_time_ms": 2_000, "is_hate": 1}, "skip"),  # a hide is no reason to call it a watch
    ],
)
def test_a_row_is_a_watch_or_a_skip_by_the_rule(change, kind):
    assert kinds(kuairand_events(row(**change), 0))[0] == kind


def test_a_row_gives_every_sign_it_holds_at_its_time():
    events = kuairand_events(row(is_like=1, is_hate=1, is_follow=1, is_comment=1, is_forward=1), 17)
    assert kinds(events) == ["watch", "like", "hide", "follow", "comment", "share"]
    assert {event.at_ms for event in events} == {T}
    assert [event.event_id for event in events] == [f"kr-17-{kind}" for kind in kinds(events)]


def test_a_row_keeps_its_times_ids_and_surface():
    (watch,) = kuairand_events(row(tab=4), 0)
    assert isinstance(watch, Watch)
    assert (watch.user_id, watch.video_id, watch.watched_ms, watch.duration_ms, watch.surface) == (
        "u1", "v2", 9_000, 20_000, "4",
    )  # fmt: skip


# KuaiRand: the log


def test_events_are_in_order_of_time_and_ties_in_order_of_rows(tmp_path):
    rows = [row(time_ms=T + 5, user_id=1), row(time_ms=T, user_id=2), row(time_ms=T + 5, user_id=3)]
    convert_kuairand(kuairand_folder(tmp_path, rows, []), tmp_path / "log.jsonl")
    assert [event.user_id for event in events_of(tmp_path / "log.jsonl")] == ["u2", "u1", "u3"]


def test_exact_duplicates_are_dropped_and_others_of_the_same_exposure_are_not(tmp_path):
    rows = [row(), row(), row(play_time_ms=9_001)]
    counts = convert_kuairand(kuairand_folder(tmp_path, rows, []), tmp_path / "log.jsonl")
    assert (counts.rows, counts.duplicates, counts.events) == (2, 1, {"watch": 2})
    assert [event.event_id for event in events_of(tmp_path / "log.jsonl")] == ["kr-0-watch", "kr-2-watch"]


def test_uploads_come_first_with_tags_and_no_invented_title(tmp_path):
    folder = kuairand_folder(tmp_path, [row()], ['2,77,2022-04-10,87433.0,9155,"10,60"'])
    convert_kuairand(folder, tmp_path / "log.jsonl")
    assert (tmp_path / "log.jsonl").read_bytes().startswith(b'{"kind":"upload"')
    (upload,) = uploads_of(tmp_path / "log.jsonl")
    assert upload == videos.Upload(
        video_id="v2", at_ms=1_649_548_800_000, creator_id="c77", tags=["tag-10", "tag-60"], duration_ms=87_433,
        music_id="m9155",
    )  # fmt: skip


def test_an_upload_is_never_after_its_videos_first_event(tmp_path):
    folder = kuairand_folder(tmp_path, [row(), row(time_ms=T - 9)], ["2,77,2023-01-01,,,"])
    counts = convert_kuairand(folder, tmp_path / "log.jsonl")
    assert counts.clamped == 1
    assert uploads_of(tmp_path / "log.jsonl")[0].at_ms == T - 9


def test_a_video_without_features_or_category_is_uploaded_with_a_tag(tmp_path):
    folder = kuairand_folder(tmp_path, [row(video_id=3)], ["2,77,2022-04-10,,,"])
    convert_kuairand(folder, tmp_path / "log.jsonl")
    uploads = uploads_of(tmp_path / "log.jsonl")
    assert [(upload.video_id, upload.tags) for upload in uploads] == [("v2", [UNTAGGED]), ("v3", [UNTAGGED])]
    assert [videos.why_not_an_upload(upload) for upload in uploads] == [None, None]


def test_a_limit_keeps_the_first_events_and_tears_no_exposure(tmp_path):
    rows = [row(is_like=1, is_follow=1), row(time_ms=T + 1), row(time_ms=T + 2)]
    folder = kuairand_folder(tmp_path, rows, [])
    for limit, kept in ((1, 3), (3, 3), (4, 4), (99, 5)):
        convert_kuairand(folder, tmp_path / "log.jsonl", limit)
        assert len(list(events_of(tmp_path / "log.jsonl"))) == kept


# MovieLens


@pytest.mark.parametrize(
    ("rating", "kind", "value"),
    [("0.5", "skip", 0.0), ("2.0", "skip", 1 / 3), ("2.5", "watch", 4 / 9), ("3.5", "watch", 2 / 3),
     ("4.0", "like", 7 / 9), ("5.0", "like", 1.0)],
)  # fmt: skip
def test_a_rating_is_a_like_a_skip_or_a_watch_and_a_rate(rating, kind, value):
    opinion, rate = movielens_events({"userId": "1", "movieId": "7", "rating": rating, "timestamp": "789652009"}, 3)
    assert kinds([opinion, rate]) == [kind, "rate"]
    assert isinstance(rate, Rate)
    assert rate.value == pytest.approx(value)
    assert rate.at_ms == opinion.at_ms == 789_652_009_000 + MOVIELENS_LATER_MS
    assert [opinion.event_id, rate.event_id] == [f"ml-3-{kind}", "ml-3-rate"]


def test_films_are_uploaded_with_titles_and_genres_before_the_first_rating(tmp_path):
    log = tmp_path / "log.jsonl"
    counts = convert_movielens(movielens_folder(tmp_path, ["1,8,3.0,1000000009", "2,7,4.0,1000000000"]), log)
    assert (counts.rows, counts.uploads, counts.events) == (2, 2, {"like": 1, "rate": 2, "watch": 1})
    assert [(one.title, one.tags) for one in uploads_of(log)] == [
        ("Heat, The (1995)", ["Action", "Crime"]),
        ("Untitled", []),
    ]
    assert {one.at_ms for one in uploads_of(log)} == {1_000_000_000_000 + MOVIELENS_LATER_MS}
    assert [event.user_id for event in events_of(log)] == ["u2", "u2", "u1", "u1"]


# What goes wrong


def test_an_archive_that_was_not_unpacked_is_named(tmp_path):
    (tmp_path / "ml-1m.zip").write_bytes(b"PK")
    with pytest.raises(OperatorError, match=r"ml-1m\.zip is a file\. Unpack it"):
        convert_movielens(tmp_path / "ml-1m.zip", tmp_path / "log.jsonl")


@pytest.mark.parametrize("line", ["1,7", "1,7,3.0,yesterday"])
def test_a_damaged_row_is_one_sentence(tmp_path, line):
    with pytest.raises(OperatorError, match=r"ratings\.csv cannot be read"):
        convert_movielens(movielens_folder(tmp_path, [line]), tmp_path / "log.jsonl")


def test_a_folder_without_the_files_is_one_sentence_with_a_remedy(tmp_path):
    with pytest.raises(OperatorError, match=r"holds no log_standard_\*\.parquet and no .*\. Name the folder"):
        convert_kuairand(tmp_path, tmp_path / "log.jsonl")
    with pytest.raises(OperatorError, match=r"holds no ratings\.csv"):
        convert_movielens(tmp_path, tmp_path / "log.jsonl")


def test_without_pyarrow_the_remedy_is_named(tmp_path, monkeypatch):
    (tmp_path / "log_standard_1.parquet").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(OperatorError, match=r"needs pyarrow\. Install it with: pip install 'freshet\[data\]'"):
        convert_kuairand(tmp_path, tmp_path / "log.jsonl")


def test_a_damaged_file_is_named_and_an_older_log_stays(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "log.jsonl").write_text("older")
    (tmp_path / "log_standard_1.parquet").write_bytes(b"not parquet")
    with pytest.raises(OperatorError, match=r"log_standard_1\.parquet is not a Parquet file"):
        convert_kuairand(tmp_path, tmp_path / "log.jsonl")
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n")
    (tmp_path / "ratings.csv.gz").write_bytes(b"not gzip")
    with pytest.raises(OperatorError, match=r"ratings\.csv\.gz cannot be read"):
        convert_movielens(tmp_path, tmp_path / "log.jsonl")
    assert (tmp_path / "log.jsonl").read_text() == "older"


def test_a_column_that_is_missing_is_named(tmp_path):
    short = {name: value for name, value in ROW.items() if name != "tab"}
    with pytest.raises(OperatorError, match=r"lacks the columns \['tab'\]"):
        convert_kuairand(kuairand_folder(tmp_path, [short], []), tmp_path / "log.jsonl")


def test_a_log_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(OperatorError, match="cannot be written"):
        convert_movielens(movielens_folder(tmp_path, ["1,7,3.0,1000000009"]), tmp_path / "nowhere" / "log.jsonl")


def test_the_command_prints_its_counts_as_json(tmp_path):
    folder = movielens_folder(tmp_path, ["1,7,3.0,1000000009"])
    result = CliRunner().invoke(app, ["movielens", str(folder), str(tmp_path / "log.jsonl"), "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["events"] == {"rate": 1, "watch": 1}


# The real files


@needs_kuairand
@pytest.mark.slow
def test_the_kuairand_log_holds_what_the_rows_say(tmp_path):
    pytest.importorskip("pyarrow")
    log = tmp_path / "log.jsonl"
    counts = convert_kuairand(KUAIRAND, log)
    events = [event for event in events_of(log) if isinstance(event, VideoEvent)]
    assert (counts.rows, counts.duplicates, counts.uploads, counts.clamped) == (92_034, 2_750, 7_583, 0)
    assert Counter(kinds(events)) == counts.events
    assert sum(isinstance(event, Watch | Skip) for event in events) == counts.rows
    assert round(counts.events["skip"] / counts.rows, 3) == 0.257  # the share that evaluation states
    assert [event.at_ms for event in events] == sorted(event.at_ms for event in events)
    assert len({event.event_id for event in events}) == len(events)
    uploads = {upload.video_id: upload for upload in uploads_of(log)}
    assert len(uploads) == counts.uploads
    assert all(uploads[event.video_id].at_ms <= event.at_ms for event in events)
    assert not any(videos.why_not_an_upload(upload) for upload in uploads.values())


@needs_kuairand
@pytest.mark.slow
def test_the_same_files_give_the_same_bytes(tmp_path):
    pytest.importorskip("pyarrow")
    for name in ("one", "two"):
        convert_kuairand(KUAIRAND, tmp_path / name, limit=2_000)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@needs_movielens
@pytest.mark.slow
def test_the_movielens_log_holds_every_rating(tmp_path):
    log = tmp_path / "log.jsonl"
    counts = convert_movielens(MOVIELENS, log)
    events = list(events_of(log))
    assert counts.rows == 100_004 == sum(isinstance(event, Rate) for event in events)
    assert len(events) == 2 * counts.rows
    with gzip.open(MOVIELENS / "movies.csv.gz", "rt", encoding="utf-8") as text:
        titles = {f"v{film['movieId']}": film["title"] for film in csv.DictReader(text)}
    assert {upload.video_id: upload.title for upload in uploads_of(log)} == titles
    assert not any(why_not_an_id("video_id", video_id) for video_id in titles)
