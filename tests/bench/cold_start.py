"""Cold start: does content alone put new films before the right people? `python -m tests.bench.cold_start DIR`.

A fifth of the films is hidden with all its feedback. Each person who liked one of them and another film has the
hidden ones ranked, by nothing but what the visible films that they liked have in common with them.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.base import Vectors, unit_rows
from encoders.fusion.fusion import Fusion, load_fusion
from encoders.modalities.text import TextEncoder
from encoders.models.manifest import folder_of
from ranker.evaluation.metrics import Mask, auc
from ranker.pipeline.query_features import INTERESTS, LIKES
from streams.errors import OperatorError
from tests.bench.films import FOLDER, Films, Shelf, read
from tests.bench.ground import Ground
from tests.bench.metrics import Figures, interval, recall_at
from tests.support.models import built_in

K = 50
HIDDEN = 5  # every fifth film
SEEDS = 5
MEASURES = (f"recall@{K}", "AUC")

ALL, SHORT, TITLE, GENRES = "title, genres, tags", "the same, 256 d", "title", "title, genres"
TIMELESS, TIMELESS_ALL = "title without its year", "title without its year, genres, tags"
COLUMNS, NEAREST, MEAN = "genres as columns", "nearest of 8 likes alone", "mean of 16 likes alone"
STRANGER = "the likes of somebody else"
RANDOM, POPULAR, ORACLE = "random", "popularity", "popularity, hidden likes known"
PAIRS = (
    (GENRES, TITLE), (ALL, GENRES), (TIMELESS, TITLE), (TIMELESS_ALL, TIMELESS), (SHORT, ALL), (ALL, COLUMNS),
    (TIMELESS_ALL, COLUMNS), (ALL, NEAREST), (ALL, MEAN), (ALL, STRANGER), (ORACLE, ALL),
)  # fmt: skip


class Case(NamedTuple):
    """One person's question: in which order do the hidden films come?"""

    split: int
    person: int
    liked: Films  # visible ones, newest last
    hidden: Films
    relevant: Mask  # which of the hidden ones the person liked


Score = Callable[[Case], NDArray[np.floating]]


def near_likes(vectors: Vectors, nearest: float = 1.0, mean: float = 1.0) -> Score:
    """The ranker's two signs of content: the nearest of the newest 8 likes, and the mean of the newest 16."""

    def score(case: Case) -> NDArray[np.floating]:
        cosines = vectors[case.hidden] @ vectors[case.liked[-LIKES:]].T  # [hidden, 16]
        return nearest * cosines[:, -INTERESTS:].max(axis=1) + mean * cosines.mean(axis=1)

    return score


def scorers(shelf: Shelf, encoder: TextEncoder, fusion: Fusion) -> dict[str, Score]:
    """Everything that is compared, best knowledge last."""
    everything = encoder.encode(shelf.texts(genres=True, tags=True))
    counts = np.bincount(np.concatenate(shelf.likes), minlength=len(shelf.titles))

    def drawn(case: Case) -> NDArray[np.floating]:
        return np.random.default_rng((case.split, case.person)).random(len(case.hidden))

    def popular(case: Case) -> NDArray[np.floating]:
        return np.zeros(len(case.hidden))  # the feedback on all of them is hidden, so all of them tie

    alike = near_likes(everything)

    def stranger(case: Case) -> NDArray[np.floating]:
        theirs = shelf.likes[(case.person + 1) % len(shelf.likes)]
        theirs = theirs[~np.isin(theirs, case.hidden)]
        return alike(case._replace(liked=theirs)) if len(theirs) else np.zeros(len(case.hidden))

    def oracle(case: Case) -> NDArray[np.floating]:
        return counts[case.hidden] - 1.0 * case.relevant  # the likes of the others

    return {
        RANDOM: drawn,
        POPULAR: popular,
        STRANGER: stranger,
        COLUMNS: near_likes(genre_columns(shelf)),
        TIMELESS: near_likes(encoder.encode(shelf.texts(year=False))),
        TIMELESS_ALL: near_likes(encoder.encode(shelf.texts(year=False, genres=True, tags=True))),
        TITLE: near_likes(encoder.encode(shelf.texts())),
        GENRES: near_likes(encoder.encode(shelf.texts(genres=True))),
        ALL: alike,
        SHORT: near_likes(fusion({"text": everything})),
        NEAREST: near_likes(everything, mean=0),
        MEAN: near_likes(everything, nearest=0),
        ORACLE: oracle,
    }


def genre_columns(shelf: Shelf) -> Vectors:
    """A column a genre, without any model; norm 1, a zero row for a film without one."""
    names = sorted({name for genres in shelf.genres for name in genres})
    rows = np.array([[name in genres for name in names] for genres in shelf.genres], np.float32)
    return unit_rows(rows)


def cases(shelf: Shelf, split: int) -> list[Case]:
    """The people of one split who liked both a hidden film and a visible one."""
    order = np.random.default_rng(split).permutation(len(shelf.titles))
    hidden = np.sort(order[: len(order) // HIDDEN])
    of_people = ((person, liked, np.isin(liked, hidden)) for person, liked in enumerate(shelf.likes))
    return [
        Case(split, person, liked[~unseen], hidden, np.isin(hidden, liked[unseen]))
        for person, liked, unseen in of_people
        if unseen.any() and not unseen.all()
    ]


def measured(shelf: Shelf, compared: Mapping[str, Score], splits: int) -> dict[str, Figures]:
    """Of each scorer recall@50 and AUC [splits, people, 2], NaN for people whom a split does not ask."""
    found = {name: np.full((splits, len(shelf.likes), len(MEASURES)), np.nan) for name in compared}
    for split in range(splits):
        for case in cases(shelf, split):
            for name, score in compared.items():
                scores = score(case)
                found[name][split, case.person] = recall_at(K, scores, case.relevant), auc(scores, case.relevant)
    return found


def of_people(figures: Figures) -> Figures:
    """Each person's mean over the splits that ask them [people asked, 2]."""
    asked = ~np.isnan(figures).all(axis=(0, 2))
    return np.asarray(np.nanmean(figures[:, asked], axis=0))


def told(shelf: Shelf, found: Mapping[str, Figures]) -> str:
    """The figures as Markdown."""
    splits, people = len(found[ALL]), len(of_people(found[ALL]))
    likes = sum(map(len, shelf.likes))
    head = (
        f"{len(shelf.titles):,} films, {sum(map(bool, shelf.tags)):,} of them with tags, {likes:,} likes; "
        f"{len(shelf.titles) // HIDDEN:,} films hidden, {splits} splits, {people} people asked."
    )
    figures = [_row(name, of_people(rows), _splits(rows)) for name, rows in found.items()]
    pairs = [(f"{one} − {other}", of_people(found[one]) - of_people(found[other])) for one, other in PAIRS]
    header = " | ".join(f"{measure} | 95 %" for measure in MEASURES)
    return "\n".join(
        [
            head,
            f"\n| ranked by | {header} | {MEASURES[0]} of each split |\n|---|---|---|---|---|---|",
            *figures,
            f"\n| difference, person by person | {header} |\n|---|---|---|---|---|",
            *(_row(name, rows) for name, rows in pairs),
        ]
    )


def _row(name: str, rows: Figures, *more: str) -> str:
    cells = [name]
    for column in rows.T:
        low, high = interval(column)
        cells += [f"{column.mean():.3f}", f"{low:.3f} to {high:.3f}"]
    return f"| {' | '.join([*cells, *more])} |"


def _splits(figures: Figures) -> str:
    return " ".join(f"{value:.3f}" for value in np.nanmean(figures[:, :, 0], axis=1))


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m tests.bench.cold_start", description="Content alone for new films.")
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER, metavar="DIR", help="MovieLens")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="so many splits")
    asked = parser.parse_args(given)
    try:
        shelf = read(asked.folder)
    except OperatorError as trouble:
        sys.exit(f"{trouble}")
    models = folder_of(Ground.defaults().cache_dir)
    compared = scorers(shelf, TextEncoder(models, provider="cpu"), load_fusion(built_in(models)))
    print(told(shelf, measured(shelf, compared, asked.seeds)))


if __name__ == "__main__":
    main()
