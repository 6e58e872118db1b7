"""KuaiRand as a log: Gao et al., "KuaiRand: An Unbiased Sequential Recommendation Dataset with Randomly Exposed
Videos", CIKM 2022.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

from schemas.messages.feedback import Comment, Follow, Hide, Like, Shared, Skip, VideoEvent, Watch
from schemas.messages.videos import Upload
from streams.errors import OperatorError
from streams.logs.convert.writer import UNTAGGED, Converted, Counts, Row, csv_rows, one_file, require_columns, write_log

SKIPPED_WITHIN_MS = 3000  # a choice: 25.7 % of KuaiRand's rows are skips by this rule
SWIPE_TAB = 1  # the feed in which videos play by themselves, so that going on is a skip

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
    """Turn a KuaiRand folder (one or more log_standard_*.parquet and the video features) into a log.

    Each row gives one watch or one skip, and a like, hide, follow, comment and share where it says so, all at
    the row's time. Videos have no titles here; their tags are the data set's anonymous categories.
    """
    logs = sorted(src.glob("log_standard_*.parquet"))
    if not logs:
        raise OperatorError(f"{src} holds no log_standard_*.parquet.", "Name the folder of KuaiRand's files.")
    rows = [row for log in logs for row in _parquet(log)]
    numbered = _first_of_each(rows)
    in_time = sorted(numbered, key=lambda pair: pair[1]["time_ms"])  # stable: ties keep the order of rows
    events = [event for number, row in in_time for event in kuairand_events(row, number)]
    uploads = [_kuairand_upload(row) for row in csv_rows(one_file(src, "video_features_basic*.csv*"), KUAIRAND_VIDEO)]
    return write_log(Converted(len(numbered), len(rows) - len(numbered), uploads, events), out, limit)


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


def _first_of_each(rows: list[Row]) -> list[tuple[int, Row]]:
    """Rows with their numbers, without exact duplicates."""
    numbers: dict[tuple[object, ...], int] = {}
    for number, row in enumerate(rows):
        numbers.setdefault(tuple(row.values()), number)
    return [(number, rows[number]) for number in numbers.values()]


def _parquet(path: Path) -> list[Row]:
    try:
        from pyarrow import ArrowInvalid, parquet  # an optional dependency, for this command alone
    except ImportError as error:
        raise OperatorError("Reading Parquet needs pyarrow.", "Install it with: pip install 'freshet[data]'") from error
    try:
        table = parquet.read_table(path)  # all columns: duplicates are exact
    except (OSError, ArrowInvalid) as error:
        raise OperatorError(f"{path} is not a Parquet file: {error}.", "Download it again.") from error
    require_columns(KUAIRAND_ROW, table.column_names, path)
    rows: list[Row] = table.to_pylist()
    return rows
