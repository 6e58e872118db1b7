"""MovieLens as a log: Harper and Konstan, "The MovieLens Datasets", TiiS 2015."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypedDict

from schemas.messages.feedback import Like, Rate, Skip, VideoEvent, Watch
from schemas.messages.fields import DAY_MS
from schemas.messages.videos import Upload
from streams.errors import OperatorError
from streams.logs.convert.tables import Row, csv_rows, files_of, no_files, one_file, separated_rows
from streams.logs.convert.time_order import in_order_of_time
from streams.logs.convert.writer import Counts, RowCounts, write_log

MOVIELENS_LATER_MS = 260 * 7 * DAY_MS  # a sixth of the ratings are from before 2000, which messages may not be
NOMINAL_WATCHED_MS = 18_000  # made up: MovieLens does not say how long anybody watched
STARS_LEAST, STARS_MOST = 0.5, 5.0
MOVIELENS_RATING = ("userId", "movieId", "rating", "timestamp")
MOVIELENS_FILM = ("movieId", "title", "genres")
NO_GENRES = "(no genres listed)"
GENRES_OF_100K = (  # columns of u.item, 1 or 0
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)


class CommonFields(TypedDict):
    """The fields that both events of one rating share."""

    user_id: str
    video_id: str
    at_ms: int
    event_id: str


class Format(NamedTuple):
    """How a release names and separates its files."""

    ratings: str
    films: str
    separator: str  # empty: CSV with a heading


FORMATS = (
    Format("ratings.csv*", "movies.csv*", ""),  # latest, 20M, 25M, 32M
    Format("ratings.dat", "movies.dat", "::"),  # 1M, 10M
    Format("u.data", "u.item", "\t"),  # 100K
)


def convert_movielens(src: Path, out: Path, limit: int | None = None) -> Counts:
    """Turn a MovieLens folder (films and ratings, any release) into a log, all of it 260 weeks later than it happened.

    A rating gives a like (4 stars and more), a skip (2 and less) or a watch, and a rate with its value. Times
    are when people rated; the `watched_ms` of a watch is nominal. Films are uploaded at the first rating.
    """
    form = next((form for form in FORMATS if files_of(src, form.ratings)), None)
    if form is None:
        raise no_files(src, *(form.ratings for form in FORMATS))
    ratings, films, read = one_file(src, form.ratings), one_file(src, form.films), RowCounts()
    rows = ((_number(row, "timestamp", ratings), row) for row in _counted(_ratings(ratings, form), read))
    events = (event for timed in in_order_of_time(rows) for event in movielens_events(timed.row, timed.number))

    def uploads(first_ms: int | None) -> Iterator[Upload]:
        return (_movielens_upload(film, first_ms) for film in _films(films, form) if first_ms is not None)

    return write_log(events, uploads, read, out, limit)


def _ratings(path: Path, form: Format) -> Iterator[Row]:
    if form.separator:
        return separated_rows(path, form.separator, MOVIELENS_RATING)
    return csv_rows(path, MOVIELENS_RATING)


def _films(path: Path, form: Format) -> Iterator[Row]:
    if not form.separator:
        return csv_rows(path, MOVIELENS_FILM)
    if form.separator == "::":
        return separated_rows(path, "::", MOVIELENS_FILM)
    return map(_with_genres, separated_rows(path, "|", ("movieId", "title", "", "", "", *GENRES_OF_100K)))


def _with_genres(row: Row) -> Row:
    genres = [name for name in GENRES_OF_100K if row[name] == "1" and name != "unknown"]
    return {"movieId": row["movieId"], "title": row["title"], "genres": "|".join(genres) or NO_GENRES}


def _counted(rows: Iterator[Row], read: RowCounts) -> Iterator[Row]:
    for row in rows:
        read.rows += 1
        yield row


def _number(row: Row, column: str, path: Path) -> int:
    try:
        return int(row[column])
    except ValueError as error:
        raise OperatorError(f"{path} cannot be read: {error}.", "Download it again.") from error


def movielens_events(row: Row, number: int) -> list[VideoEvent]:
    """The two events of one rating; their ids are `ml-<row>-<kind>`. Half a star is 0, five are 1."""
    stars = float(row["rating"])

    def common(kind: str) -> CommonFields:
        return {
            "user_id": f"u{row['userId']}",
            "video_id": f"v{row['movieId']}",
            "at_ms": int(row["timestamp"]) * 1000 + MOVIELENS_LATER_MS,
            "event_id": f"ml-{number}-{kind}",
        }

    opinion: VideoEvent
    if stars >= 4:
        opinion = Like(**common("like"))
    elif stars <= 2:
        opinion = Skip(**common("skip"))
    else:
        opinion = Watch(**common("watch"), watched_ms=NOMINAL_WATCHED_MS)
    return [opinion, Rate(**common("rate"), value=(stars - STARS_LEAST) / (STARS_MOST - STARS_LEAST))]


def _movielens_upload(row: Row, at_ms: int) -> Upload:
    genres = [] if row["genres"] == NO_GENRES else row["genres"].split("|")
    return Upload(video_id=f"v{row['movieId']}", at_ms=at_ms, title=row["title"], tags=genres)
