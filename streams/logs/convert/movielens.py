"""MovieLens as a log: Harper and Konstan, "The MovieLens Datasets", TiiS 2015."""

from pathlib import Path
from typing import TypedDict

from schemas.messages.feedback import Like, Rate, Skip, VideoEvent, Watch
from schemas.messages.fields import DAY_MS
from schemas.messages.videos import Upload
from streams.logs.convert.writer import Converted, Counts, Row, csv_rows, one_file, write_log

MOVIELENS_LATER_MS = 260 * 7 * DAY_MS  # a sixth of the ratings are from before 2000, which messages may not be
NOMINAL_WATCHED_MS = 18_000  # made up: MovieLens does not say how long anybody watched
STARS_LEAST, STARS_MOST = 0.5, 5.0
MOVIELENS_RATING = ("userId", "movieId", "rating", "timestamp")
MOVIELENS_FILM = ("movieId", "title", "genres")


class CommonFields(TypedDict):
    """The fields that both events of one rating share."""

    user_id: str
    video_id: str
    at_ms: int
    event_id: str


def convert_movielens(src: Path, out: Path, limit: int | None = None) -> Counts:
    """Turn a MovieLens folder (movies and ratings) into a log, all of it 260 weeks later than it happened.

    A rating gives a like (4 stars and more), a skip (2 and less) or a watch, and a rate with its value. Times
    are when people rated; the `watched_ms` of a watch is nominal. Films are uploaded at the first rating.
    """
    ratings = list(enumerate(csv_rows(one_file(src, "ratings.csv*"), MOVIELENS_RATING)))
    in_time = sorted(ratings, key=lambda pair: int(pair[1]["timestamp"]))
    events = [event for number, row in in_time for event in movielens_events(row, number)]
    at_ms = events[0].at_ms if events else 0
    uploads = (
        [_movielens_upload(row, at_ms) for row in csv_rows(one_file(src, "movies.csv*"), MOVIELENS_FILM)]
        if events
        else []
    )
    return write_log(Converted(len(ratings), 0, uploads, events), out, limit)


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
    genres = [] if row["genres"] == "(no genres listed)" else row["genres"].split("|")
    return Upload(video_id=f"v{row['movieId']}", at_ms=at_ms, title=row["title"], tags=genres)
