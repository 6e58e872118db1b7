"""What an evaluation and its baselines hand each other: a folder of arrays, read without pickles on both sides.

The baselines run in an environment of their own, in which this module needs NumPy alone.

    exposures.npz     what was known before each exposure, see `Exposures`
    next_finish.npz   what was finished on the training days, see `NextFinish`
    answer.json       {"heads": [name, …], "next_finish": [name, …]}, in the order of the files
    heads-0.npz       what the first one says of the exposures, see `HeadScores`
    next_finish-0.npy what the first one says of all videos, of each target [P, V]
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

EXPOSURES, NEXT_FINISH, ANSWER = "exposures.npz", "next_finish.npz", "answer.json"
LATE_SHARE = 0.2  # of the training exposures, the last ones: a threshold is chosen on them by a model of those before


class ExchangeError(ValueError):
    """What is in the folder is not what it should be."""


@dataclass(frozen=True)
class Exposures:
    """Exposures of the training days [n], then those of the test days [m], each as it was before it happened.

    page, page_held          progressive counts [n + m, C], and of the test days with the person's counts held [m, C]
    features, features_held  what the standard run predicts by [n + m, H, D], and held [m, H, D]
    keys                     numbers of the keys that have effects in the standard run [n + m, F]
    labels                   what came of them [n + m, H]
    """

    page: Floats
    page_held: Floats
    features: Floats
    features_held: Floats
    keys: Ints
    labels: Floats

    @property
    def training(self) -> int:
        """How many are of the training days."""
        return len(self.page) - len(self.page_held)

    @property
    def early(self) -> int:
        """How many of the training days are not late."""
        return early_of(self.training)


@dataclass(frozen=True)
class NextFinish:
    """What was finished on the training days, in the order in which it happened, and of whom the next finish is asked.

    people, videos, at_ms  of each finish, people and videos numbered [k]
    targets                numbers of the people [P]
    sizes                  how many people and how many videos there are [2]
    """

    people: Ints
    videos: Ints
    at_ms: Ints
    targets: Ints
    sizes: Ints


@dataclass(frozen=True)
class HeadScores:
    """What a baseline says of the exposures.

    probability  of each outcome, of the test days [m, H]
    held         log-odds, or any score, with the person's counts held [m, H]
    late         probabilities of the late training days, by what was learned before them
    """

    probability: Doubles
    held: Doubles
    late: Doubles


@dataclass(frozen=True)
class Answer:
    """What all baselines say, by name."""

    heads: Mapping[str, HeadScores]
    next_finish: Mapping[str, Floats]


Asked = TypeVar("Asked", Exposures, NextFinish)


def early_of(training: int) -> int:
    """How many of so many training exposures are not late.

    >>> early_of(10)
    8
    """
    return training - int(LATE_SHARE * training)


def write_question(folder: Path, exposures: Exposures, next_finish: NextFinish | None) -> None:
    """Write what baselines are asked."""
    np.savez(folder / EXPOSURES, **vars(exposures))
    if next_finish:
        np.savez(folder / NEXT_FINISH, **vars(next_finish))


def read_exposures(folder: Path) -> Exposures:
    """The exposures that baselines are asked about."""
    return _read(folder / EXPOSURES, Exposures)


def read_next_finish(folder: Path) -> NextFinish | None:
    """What was finished before the split, if the next finish is asked for."""
    file = folder / NEXT_FINISH
    return _read(file, NextFinish) if file.exists() else None


def _read(file: Path, kind: type[Asked]) -> Asked:
    with np.load(file, allow_pickle=False) as arrays:
        return kind(**{field.name: arrays[field.name] for field in fields(kind)})


def write_head_scores(folder: Path, place: int, scores: HeadScores) -> None:
    """Write what the baseline at this place says of the exposures."""
    np.savez(folder / f"heads-{place}.npz", **asdict(scores))


def write_next_finish_scores(folder: Path, place: int, scores: Floats) -> None:
    """Write what the baseline at this place says of all videos [P, V]."""
    np.save(folder / f"next_finish-{place}.npy", scores.astype(np.float32), allow_pickle=False)


def write_names(folder: Path, heads: Iterable[str], next_finish: Iterable[str]) -> None:
    """Write what the baselines are called; done last, it says that all is written."""
    names = {"heads": [*heads], "next_finish": [*next_finish]}
    (folder / ANSWER).write_text(json.dumps(names), "utf-8")


def read_answer(folder: Path, exposures: Exposures, next_finish: NextFinish | None) -> Answer:
    """What baselines say; an ExchangeError names the first file that is missing, damaged or of the wrong size."""
    try:
        names = _names(json.loads((folder / ANSWER).read_text("utf-8")))
        heads = {
            name: _head_scores(folder / f"heads-{place}.npz", exposures) for place, name in enumerate(names["heads"])
        }
        ranked = {
            name: _next_finish_scores(folder / f"next_finish-{place}.npy", next_finish)
            for place, name in enumerate(names["next_finish"])
        }
    except ExchangeError:
        raise
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, RecursionError) as error:
        raise ExchangeError(f"What the baselines wrote cannot be read: {error}.") from error
    return Answer(heads, ranked)


def _names(found: Any) -> dict[str, list[str]]:
    if not isinstance(found, dict):
        raise ExchangeError(f"{ANSWER} is no object.")
    for key in ("heads", "next_finish"):
        names = found.get(key)
        if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            raise ExchangeError(f"{ANSWER} has no list of names called {key!r}.")
        if len({*names}) < len(names):
            raise ExchangeError(f"{ANSWER} names a baseline of {key!r} twice.")
    return found


def _head_scores(file: Path, exposures: Exposures) -> HeadScores:
    tested = exposures.labels[exposures.training :].shape
    late = exposures.labels[exposures.early : exposures.training].shape
    with np.load(file, allow_pickle=False) as arrays:
        found = HeadScores(*(arrays[field.name] for field in fields(HeadScores)))
    for name, shape in (("probability", tested), ("held", tested), ("late", late)):
        _check(f"{file.name}: {name}", getattr(found, name), shape, "float64")
    for name in ("probability", "late"):
        if not ((getattr(found, name) >= 0) & (getattr(found, name) <= 1)).all():
            raise ExchangeError(f"{file.name}: {name} has values that are no probabilities.")
    return found


def _next_finish_scores(file: Path, asked: NextFinish | None) -> Floats:
    found: Floats = np.load(file, mmap_mode="r", allow_pickle=False)
    wanted = (len(asked.targets), int(asked.sizes[1])) if asked else (0, 0)
    _check(file.name, found, wanted, "float32")
    return found


def _check(name: str, found: Floats, wanted: tuple[int, ...], dtype: str) -> None:
    if found.shape != wanted:
        raise ExchangeError(f"{name} has shape {found.shape}; {wanted} is needed.")
    if found.dtype != dtype:
        raise ExchangeError(f"{name} has numbers of type {found.dtype}; {dtype} is needed.")
    if not np.isfinite(found).all():
        raise ExchangeError(f"{name} has values that are not finite.")
