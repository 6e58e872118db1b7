"""Recorded logs of others as Freshet's: one JSON object a line, uploads first, then events in order of time.

KuaiRand: Gao et al., "KuaiRand: An Unbiased Sequential Recommendation Dataset with Randomly Exposed Videos",
CIKM 2022. MovieLens: Harper and Konstan, "The MovieLens Datasets", TiiS 2015.
"""

import csv
import gzip
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import typer

from schemas.messages.feedback import Comment, Follow, Hide, Like, Rate, Seen, Shared, Skip, Watch
from schemas.messages.feedback import encode as encode_event
from schemas.messages.fields import DAY_MS
from schemas.messages.videos import Upload
from schemas.messages.videos import encode as encode_video
from streams.trouble import Trouble

SKIPPED_WITHIN_MS = 3000  # a choice: 25.7 % of KuaiRand's rows are skips by this rule
SWIPE_TAB = 1  # the feed in which videos play by themselves, so that going on is a skip
UNTAGGED = "untagged"  # an upload has to say something; 96 of KuaiRand's videos have no category
MOVIELENS_LATER_MS = 260 * 7 * DAY_MS  # a sixth of the ratings are from before 2000, which no message may be
NOMINAL_WATCHED_MS = 18_000  # made up: MovieLens does not say how long anybody watched
STARS_LEAST, STARS_MOST = 0.5, 5.0

Row = dict[str, Any]

KUAIRAND_SIGNS = ("is_like", "is_hate", "is_follow", "is_comment", "is_forward", "long_view")
KUAIRAND_ROW = ("user_id", "video_id", "time_ms", "play_time_ms", "duration_ms", "tab", *KUAIRAND_SIGNS)
KUAIRAND_VIDEO = ("video_id", "author_id", "upload_dt", "video_duration", "music_id", "tag")
MOVIELENS_RATING = ("userId", "movieId", "rating", "timestamp")
MOVIELENS_FILM = ("movieId", "title", "genres")


@dataclass(frozen=True)
class Counts:
    """What a conversion read and wrote."""

    rows: int  # without exact duplicates
    duplicates: int
    uploads: int
    clamped: int  # uploads dated back to their video's first event
    events: dict[str, int]  # by kind


class Converted(NamedTuple):
    """A log in memory: rows read, uploads, events in the order in which they are written."""

    rows: int
    duplicates: int
    uploads: list[Upload]
    events: list[Seen]


def convert_kuairand(src: Path, out: Path, limit: int | None = None) -> Counts:
    """Turn a KuaiRand folder (one or more log_standard_*.parquet and the video features) into a log.

    Each row gives one watch or one skip, and a like, hide, follow, comment and share where it says so, all at
    the row's time. Videos have no titles here; their tags are the data set's anonymous categories.
    """
    logs = sorted(src.glob("log_standard_*.parquet"))
    if not logs:
        raise Trouble(f"{src} holds no log_standard_*.parquet.", "Name the folder of KuaiRand's files.")
    rows = [row for log in logs for row in _parquet(log)]
    numbered = _first_of_each(rows)
    in_time = sorted(numbered, key=lambda pair: pair[1]["time_ms"])  # stable: ties keep the order of rows
    events = [event for number, row in in_time for event in kuairand_events(row, number)]
    uploads = [_kuairand_upload(row) for row in _csv(_one(src, "video_features_basic*.csv*"), KUAIRAND_VIDEO)]
    return _write(Converted(len(numbered), len(rows) - len(numbered), uploads, events), out, limit)


def convert_movielens(src: Path, out: Path, limit: int | None = None) -> Counts:
    """Turn a MovieLens folder (movies and ratings) into a log, all of it 260 weeks later than it happened.

    A rating gives a like (4 stars and more), a skip (2 and less) or a watch, and a rate with its value. Times
    are when people rated; the `watched_ms` of a watch is nominal. Films are uploaded at the first rating.
    """
    ratings = list(enumerate(_csv(_one(src, "ratings.csv*"), MOVIELENS_RATING)))
    in_time = sorted(ratings, key=lambda pair: int(pair[1]["timestamp"]))
    events = [event for number, row in in_time for event in movielens_events(row, number)]
    at_ms = events[0].at_ms if events else 0
    uploads = (
        [_movielens_upload(row, at_ms) for row in _csv(_one(src, "movies.csv*"), MOVIELENS_FILM)] if events else []
    )
    return _write(Converted(len(ratings), 0, uploads, events), out, limit)


def kuairand_events(row: Row, number: int) -> list[Seen]:
    """The events of one row, watch or skip first; their ids are `kr-<row>-<kind>`."""

    def common(kind: str) -> dict[str, Any]:
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
    events: list[Seen] = [
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


def movielens_events(row: Row, number: int) -> list[Seen]:
    """The two events of one rating; their ids are `ml-<row>-<kind>`. Half a star is 0, five are 1."""
    stars = float(row["rating"])

    def common(kind: str) -> dict[str, Any]:
        return {
            "user_id": f"u{row['userId']}",
            "video_id": f"v{row['movieId']}",
            "at_ms": int(row["timestamp"]) * 1000 + MOVIELENS_LATER_MS,
            "event_id": f"ml-{number}-{kind}",
        }

    opinion: Seen
    if stars >= 4:
        opinion = Like(**common("like"))
    elif stars <= 2:
        opinion = Skip(**common("skip"))
    else:
        opinion = Watch(**common("watch"), watched_ms=NOMINAL_WATCHED_MS)
    return [opinion, Rate(**common("rate"), value=(stars - STARS_LEAST) / (STARS_MOST - STARS_LEAST))]


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


def _movielens_upload(row: Row, at_ms: int) -> Upload:
    genres = [] if row["genres"] == "(no genres listed)" else row["genres"].split("|")
    return Upload(video_id=f"v{row['movieId']}", at_ms=at_ms, title=row["title"], tags=genres)


def _write(log: Converted, out: Path, limit: int | None) -> Counts:
    """Write a log; a file of that name is replaced only by a whole one."""
    events = _first(log.events, limit)
    uploads, clamped = _in_time_for(events, log.uploads)
    part = out.with_name(f"{out.name}.part")
    try:
        with part.open("wb") as file:
            file.writelines(encode_video(upload) + b"\n" for upload in uploads)
            file.writelines(encode_event(event) + b"\n" for event in events)
        part.replace(out)
    except OSError as error:
        raise Trouble(f"{out} cannot be written: {error.strerror}.", "Name a file in a folder of yours.") from error
    kinds = Counter(str(type(event).__struct_config__.tag) for event in events)
    return Counts(log.rows, log.duplicates, len(uploads), clamped, dict(sorted(kinds.items())))


def _first(events: list[Seen], limit: int | None) -> list[Seen]:
    """The first `limit` events and what else happened at the last one's time, so that no exposure is torn."""
    if limit is None or limit >= len(events):
        return events
    end = max(limit, 0)
    while 0 < end < len(events) and events[end].at_ms == events[end - 1].at_ms:
        end += 1
    return events[:end]


def _in_time_for(events: Iterable[Seen], uploads: Iterable[Upload]) -> tuple[list[Upload], int]:
    """Uploads by time, each at its video's first event at the latest; how many were dated back.

    A video that is used but not described gets an upload that says only that it exists.
    """
    first_ms: dict[str, int] = {}
    for event in events:
        first_ms.setdefault(event.video_id, event.at_ms)
    ready, clamped = [], 0
    for upload in uploads:
        latest_ms = first_ms.pop(upload.video_id, upload.at_ms)
        if upload.at_ms > latest_ms:
            clamped += 1
            upload = msgspec.structs.replace(upload, at_ms=latest_ms)
        ready.append(upload)
    ready += [Upload(video_id=video_id, at_ms=at_ms, tags=[UNTAGGED]) for video_id, at_ms in first_ms.items()]
    return sorted(ready, key=lambda upload: upload.at_ms), clamped  # stable: ties keep the order of the file


def _first_of_each(rows: list[Row]) -> list[tuple[int, Row]]:
    """Rows with their numbers, without exact duplicates."""
    numbers: dict[tuple[Any, ...], int] = {}
    for number, row in enumerate(rows):
        numbers.setdefault(tuple(row.values()), number)
    return [(number, rows[number]) for number in numbers.values()]


def _parquet(path: Path) -> list[Row]:
    try:
        from pyarrow import ArrowInvalid, parquet  # only this command needs it
    except ImportError as error:
        raise Trouble("Reading Parquet needs pyarrow.", "Install it with: pip install 'freshet[data]'") from error
    try:
        table = parquet.read_table(path)  # all columns: duplicates are exact
    except (OSError, ArrowInvalid) as error:
        raise Trouble(f"{path} is no Parquet file: {error}.", "Fetch it again.") from error
    _require(KUAIRAND_ROW, table.column_names, path)
    rows: list[Row] = table.to_pylist()
    return rows


def _csv(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    opener = gzip.open if path.suffix == ".gz" else Path.open
    try:
        with opener(path, "rb") as raw, io.TextIOWrapper(raw, encoding="utf-8", newline="") as text:
            rows = csv.DictReader(text)
            _require(columns, rows.fieldnames or (), path)
            yield from rows
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise Trouble(f"{path} cannot be read: {error}.", "Fetch it again.") from error


def _require(columns: Sequence[str], found: Sequence[str], path: Path) -> None:
    missing = [name for name in columns if name not in found]
    if missing:
        raise Trouble(f"{path} lacks the columns {missing}.", "Is it the file of this data set?")


def _one(src: Path, pattern: str) -> Path:
    for path in sorted(src.glob(pattern)):
        return path
    raise Trouble(f"{src} holds no {pattern}.", "Name the folder of the data set's files.")


app = typer.Typer(name="convert", no_args_is_help=True, help="Turn a recorded log of others into Freshet's JSONL.")

Source = Annotated[Path, typer.Argument(help="Folder of the data set.")]
Out = Annotated[Path, typer.Argument(help="JSONL file to write.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Keep so many events, and whole exposures.")]
Json = Annotated[bool, typer.Option("--json", help="Print the counts as one JSON object.")]


@app.command("kuairand")
def kuairand(src: Source, out: Out, limit: Limit = None, as_json: Json = False) -> None:
    """Convert KuaiRand-Pure: exposures of a short-video app."""
    _say(convert_kuairand(src, out, limit), out, as_json)


@app.command("movielens")
def movielens(src: Source, out: Out, limit: Limit = None, as_json: Json = False) -> None:
    """Convert MovieLens: films and ratings; watch times are nominal, all times 260 weeks later."""
    _say(convert_movielens(src, out, limit), out, as_json)


def _say(counts: Counts, out: Path, as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode(asdict(counts)))
        return
    kinds = ", ".join(f"{count} {kind}" for kind, count in counts.events.items())
    typer.echo(f"{out}: {counts.uploads} uploads ({counts.clamped} dated back to their video's first event), {kinds}")
    typer.echo(f"from {counts.rows} rows, {counts.duplicates} exact duplicates left out")
