"""MovieLens as the measurements of content read it: films with what is said of them, and who liked which."""

import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.base import text_of
from schemas.messages.feedback import Like
from streams.logs.convert.movielens import MOVIELENS_FILM, MOVIELENS_RATING, movielens_events
from streams.logs.convert.tables import csv_rows, one_file
from tests.support.paths import DATA

FOLDER = DATA / "movielens-latest-small"
TAG = ("movieId", "tag")
YEAR = re.compile(r"\s*\(\d{4}\)\s*$")  # at the end of nearly every title
NO_GENRES = "(no genres listed)"

Films = NDArray[np.int64]  # their rows


class Shelf(NamedTuple):
    """F films, and the rows of those that each person liked, newest last."""

    titles: list[str]
    genres: list[list[str]]
    tags: list[list[str]]  # what people wrote, without repeats
    likes: list[Films]

    def texts(self, *, year: bool = True, genres: bool = False, tags: bool = False) -> list[str]:
        """One text a film, joined as an upload's is."""
        return [
            text_of(
                title if year else YEAR.sub("", title),
                tags=[*(of_film if genres else []), *(written if tags else [])],
            )
            or ""
            for title, of_film, written in zip(self.titles, self.genres, self.tags, strict=True)
        ]


def read(folder: Path) -> Shelf:
    """Read movies, ratings and tags of a MovieLens folder; four stars and more are a like."""
    movies = list(csv_rows(one_file(folder, "movies.csv*"), MOVIELENS_FILM))
    row_of = {movie["movieId"]: row for row, movie in enumerate(movies)}
    tags: list[dict[str, None]] = [{} for _ in movies]
    for tag in csv_rows(one_file(folder, "tags.csv*"), TAG):
        tags[row_of[tag["movieId"]]].setdefault(tag["tag"].strip().lower())
    likes: dict[str, list[int]] = defaultdict(list)
    ratings = sorted(
        csv_rows(one_file(folder, "ratings.csv*"), MOVIELENS_RATING), key=lambda row: int(row["timestamp"])
    )
    for rating in ratings:
        opinion, _ = movielens_events(rating, 0)
        if isinstance(opinion, Like):
            likes[rating["userId"]].append(row_of[rating["movieId"]])
    return Shelf(
        [movie["title"] for movie in movies],
        [[] if movie["genres"] == NO_GENRES else movie["genres"].split("|") for movie in movies],
        [list(written) for written in tags],
        [np.array(liked) for _, liked in sorted(likes.items())],
    )
