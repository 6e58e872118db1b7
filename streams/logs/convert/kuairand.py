"""KuaiRand as a log: Gao et al., "KuaiRand: An Unbiased Sequential Recommendation Dataset with Randomly Exposed
Videos", CIKM 2022.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import TypedDict

from schemas.messages.feedback import Comment, Follow, Hide, Like, Shared, Skip, VideoEvent, Watch
from schemas.messages.videos import Upload
from streams.errors import OperatorError
from streams.logs.convert.tables import Row, csv_rows, files_of, no_files, one_file, parquet_rows
from streams.logs.convert.time_order import Timed, in_order_of_time
from streams.logs.convert.writer import UNTAGGED, Counts, RowCounts, write_log

SKIPPED_WITHIN_MS = 3000  # a choice: 25.7 % of KuaiRand's rows are skips by this rule
SWIPE_TAB = 1  # the feed in which videos play by themselves, so that going on is a skip

KUAIRAND_LOGS = ("log_standard_*.parquet", "log_standard_*.csv*")
KUAIRAND_SIGNS = ("is_like", "is_hate", "is_follow", "is_comment", "is_forward", "long_view")
KUAIRAND_ROW = ("user_id", "video_id", "time_ms", "play_time_ms", "duration_ms", "tab", *KUAIRAND_SIGNS)
KUAIRAND_VIDEO = ("video_id", "author_id", "upload_dt", "video_duration", "music_id", "tag")


class CommonFields(TypedDict):
    """The fields that all events of one row share."""

    user_id: str
    video_id: str
    at_ms: int
    event_id: str
    surface: str
    duration_ms: int


def convert_kuairand(src: Path, out: Path, limit: int | None = None) -> Counts:
    """Turn a KuaiRand folder (log_standard_*, as published in CSV or in Parquet, and the video features) into a log.

    Each row gives one watch or one skip, and a like, hide, follow, comment and share where it says so, all at
    the row's time. Videos have no titles here; their tags are the data set's anonymous categories.
    """
    logs = files_of(src, *KUAIRAND_LOGS)
    if not logs:
        raise no_files(src, *KUAIRAND_LOGS)
    rows, read = (row for log in logs for row in _log_rows(log)), RowCounts()
    first = [*islice(rows, 1)]  # a file that cannot be read is named before one that is not there
    features = one_file(src, "video_features_basic*.csv*")
    timed_rows = ((int(row["time_ms"]), row) for row in chain(first, rows))
    events = (
        event
        for timed in _without_duplicates(in_order_of_time(timed_rows), read)
        for event in kuairand_events(timed.row, timed.number)
    )
    return write_log(events, lambda _: map(_kuairand_upload, csv_rows(features, KUAIRAND_VIDEO)), read, out, limit)


def kuairand_events(row: Row, number: int) -> list[VideoEvent]:
    """The events of one row, watch or skip first; their ids are `kr-<row>-<kind>`."""

    def common(kind: str) -> CommonFields:
        return {
            "user_id": f"u{row['user_id']}",
            "video_id": f"v{row['video_id']}",
            "at_ms": row["time_ms"],
            "event_id": f"kr-{number}-{kind}",
            "surface": str(row["tab"]),
            "duration_ms": row["duration_ms"],
        }

    skipped = (
        row["tab"] == SWIPE_TAB
        and row["play_time_ms"] <= SKIPPED_WITHIN_MS
        and not any(row[sign] for sign in ("long_view", "is_like", "is_follow", "is_comment", "is_forward"))
    )
    events: list[VideoEvent] = [
        Skip(**common("skip"), watched_ms=row["play_time_ms"])
        if skipped
        else Watch(**common("watch"), watched_ms=row["play_time_ms"])
    ]
    if row["is_like"]:
        events.append(Like(**common("like")))
    if row["is_hate"]:
        events.append(Hide(**common("hide")))
    if row["is_follow"]:
        events.append(Follow(**common("follow")))
    if row["is_comment"]:
        events.append(Comment(**common("comment")))
    if row["is_forward"]:
        events.append(Shared(**common("share")))
    return events


def _kuairand_upload(row: Row) -> Upload:
    uploaded = datetime.fromisoformat(row["upload_dt"]).replace(tzinfo=UTC)  # a date alone; its midnight UTC
    return Upload(
        video_id=f"v{row['video_id']}",
        at_ms=int(uploaded.timestamp()) * 1000,
        creator_id=f"c{row['author_id']}",
        tags=[f"tag-{tag.strip()}" for tag in row["tag"].split(",") if tag.strip()] or [UNTAGGED],
        duration_ms=round(float(row["video_duration"])) if row["video_duration"] else None,
        music_id=f"m{row['music_id']}" if row["music_id"] else None,
    )


def _without_duplicates(rows: Iterable[Timed], read: RowCounts) -> Iterator[Timed]:
    """Rows without exact duplicates, which have one time, too."""
    time, there = -1, set[tuple[object, ...]]()
    for timed in rows:
        if timed.time != time:
            time, there = timed.time, set()
        content = tuple(timed.row.values())
        if content in there:
            read.duplicates += 1
            continue
        there.add(content)
        read.rows += 1
        yield timed


def _log_rows(path: Path) -> Iterator[Row]:
    if path.suffix == ".parquet":
        return parquet_rows(path, KUAIRAND_ROW)  # all columns: duplicates are exact
    return (_with_numbers(row, path) for row in csv_rows(path, KUAIRAND_ROW))


def _with_numbers(row: Row, path: Path) -> Row:
    try:
        return {**row, **{name: int(row[name]) for name in KUAIRAND_ROW}}
    except ValueError as error:
        raise OperatorError(f"{path} cannot be read: {error}.", "Download it again.") from error
