"""Calls of the compiled loops, with the arrays that they write. The stages hold the NumPy forms."""

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.arrays import Floats, Keys, Mask, Numbers, Places, Rows, Words

with suppress(ImportError):  # then nothing here is called, see switch.py
    from ranker.pipeline.kernel import compiled


class People(NamedTuple):
    """What `people` finds: as the columns of QueryFeatures."""

    videos: Rows  # [B, 31]
    strengths: Floats  # [B, 9]
    following: Rows  # [B]
    creators: Keys  # [K]
    watches: Floats  # [K]
    favourites: Rows  # [B, 4]


def people(
    marks: tuple[Places, Rows, NDArray[np.int64], NDArray[np.float64]],
    starts: Sequence[int],
    columns: tuple[Mask, Rows, Rows],
    shape: tuple[int, int, int, int],
) -> People:
    """The videos that people are compared by, and their creators.

    marks    query, row, weight and strength of each
    columns  of the catalogue: has_vector, order, creator
    shape    people, videos, interests and favourites
    """
    count, videos, interests, favourites = shape
    found = People(
        np.empty((count, videos), np.int32),
        np.empty((count, interests + 1), np.float32),
        np.empty(count, np.int32),
        np.empty(len(marks[0]), np.int64),
        np.empty(len(marks[0]), np.float32),
        np.empty((count, favourites), np.int32),
    )
    creators = compiled.people(*marks, np.array(starts, np.int64), *columns, count, *found)
    return found._replace(creators=found.creators[:creators], watches=found.watches[:creators])


def find(keys: Keys, table: Mask, shift: int, query: Places, numbers: Numbers) -> tuple[Places, Places]:
    """Which of the given pairs are among sorted keys, and at which places."""
    which, places = np.empty(len(query), np.int64), np.empty(len(query), np.int64)
    count = compiled.find(keys, table, shift, query, numbers, which, places)
    return which[:count], places[:count]


def hashed(keys: Keys, shift: int, bits: int) -> Mask:
    """The table of hashes of some keys [2^bits]."""
    table = np.zeros(1 << bits, np.bool_)
    compiled.hashed(keys, shift, table)
    return table


class Merged(NamedTuple):
    """Columns of Candidates."""

    keys: Keys
    rows: Rows
    query: Places
    words: Words
    bounds: Places


def merge(rows: Sequence[Rows], query: Sequence[Places], order: Rows, by_id: Rows, count: int) -> Merged:
    """What sources returned for so many queries, each row once a query, with one word of sources."""
    lengths = np.array([*map(len, rows)], np.int64)
    of_all = np.concatenate(rows).astype(np.int32, copy=False), np.concatenate(query).astype(np.int64, copy=False)
    found = _merged(len(of_all[0]), count, np.empty((len(of_all[0]), 1), np.uint64))
    return _first(found, compiled.merge(*of_all, lengths, order, by_id, *found))


def keep(rejected_by: NDArray[np.int16], passed: int, of_all: Merged) -> Merged:
    """The candidates that no filter rejected."""
    found = _merged(len(rejected_by), len(of_all.bounds) - 1, np.empty_like(of_all.words))
    return _first(found, compiled.keep(rejected_by, passed, *of_all[:4], *found))


def _merged(most: int, count: int, words: Words) -> Merged:
    keys, rows, query = np.empty(most, np.int64), np.empty(most, np.int32), np.empty(most, np.int64)
    return Merged(keys, rows, query, words, np.empty(count + 1, np.int64))


def _first(of_all: Merged, count: int) -> Merged:
    keys, rows, query, words, bounds = of_all
    return Merged(keys[:count], rows[:count], query[:count], words[:count], bounds)


def columns(
    candidates: tuple[Rows, Places],
    counts: tuple[Floats, Floats],
    now_ms: NDArray[np.int64],
    of_catalogue: tuple[NDArray[np.int64], Rows, Rows],
    creators: tuple[Keys, Mask, int],
    watches: Floats,
    values: Floats,
) -> None:
    """Write the features that need no vectors [5, N].

    candidates    rows and queries
    counts        trend and popularity of each
    of_catalogue  at_ms, duration_ms and creator, by row
    creators      sorted keys, their table of hashes, and its shift
    """
    keys, table, shift = creators
    compiled.columns(*candidates, *counts, now_ms, *of_catalogue, keys, table, shift, watches, values)


def logits(values: Floats, weights: Floats, bias: Floats) -> Floats:
    """Weighted sums of features [H, N], one feature after another."""
    found = np.empty((len(bias), values.shape[1]), np.float32)
    compiled.logits(np.ascontiguousarray(values), weights, bias, values.shape[1], found)
    return found


def gather(vectors: Floats, rows: Rows, out: Floats) -> None:
    """Copy the vectors of rows into an array, each −1 one of no meaning."""
    compiled.gather(vectors, vectors.shape[1], rows, out)


def pools(score: Floats, bounds: Places, size: int) -> tuple[Places, Floats]:
    """The best candidates of each query, best first, and their scores scaled to 0..1: [B, size] each."""
    pool, gain = np.empty((len(bounds) - 1, size), np.int64), np.empty((len(bounds) - 1, size), np.float32)
    compiled.pools(np.ascontiguousarray(score), bounds, pool, gain)
    return pool, gain


def mmr(
    gain: Floats,
    similarity: Floats,
    size: int,
    relevance: float,
    penalty: float,
    limits: Sequence[tuple[Rows, int]],
) -> Places:
    """Places in pools [B, size], by maximal marginal relevance.

    limits  groups [B, P], and the most of one
    """
    chosen = np.empty((len(gain), size), np.int64)
    groups = np.concatenate([one.ravel() for one, _ in limits]) if limits else np.empty(0, np.int32)
    most = np.array([most for _, most in limits], np.int64)
    compiled.mmr(gain, similarity, relevance, penalty, groups, most, len(gain), chosen)
    return chosen


def explorable(
    words: Words, bit: int, score: Floats, query: Places, rows: Rows, creators: Rows, shown: Places
) -> Places:
    """The candidates of one source that may be drawn."""
    drawable = np.empty(len(rows), np.int64)
    score, (word, bit) = np.ascontiguousarray(score), divmod(bit, 64)
    shown = np.ascontiguousarray(shown)
    count = compiled.explorable(
        words, words.shape[1], word, bit, score, query, rows, creators, shown, len(shown), drawable
    )
    return drawable[:count]


def without_each(
    nearness: Floats, strengths: Floats, next_strength: Floats, query: Places, liking: Floats, videos: Rows
) -> tuple[Floats, Floats]:
    """Nearness and liking without each of the interests [I, M]."""
    similar, liked = np.empty((2, len(nearness) - 1, len(query)), np.float32)
    of_people = np.ascontiguousarray(strengths), np.ascontiguousarray(next_strength)
    compiled.without_each(np.ascontiguousarray(nearness), *of_people, query, liking, videos, similar, liked)
    return similar, liked


class Shown(NamedTuple):
    """Which codes of a table speak for M items, and by what share, rounded; second −1: none that is shown."""

    first: Places
    weight: NDArray[np.float64]
    second: Places
    second_weight: NDArray[np.float64]


class Codes(NamedTuple):
    """A table of reasons as arrays: the rows of contributions of each code, one after another, and its sources."""

    features: Places
    ends: Places  # [C]
    by_feature: Mask  # [C]
    sources: Words  # [C]
    source_weights: Floats  # [C]


def reasons(contributions: Floats, codes: Codes, words: Words, least_second: float) -> tuple[Floats, Shown]:
    """The share of each code [C, M], and which are shown."""
    count = contributions.shape[1]
    share = np.empty((len(codes.ends), count), np.float32)
    first, second = np.empty((2, count), np.int64)
    weight, second_weight = np.empty((2, count), np.float64)
    contributions = np.ascontiguousarray(contributions)
    compiled.reasons(contributions, *codes, words, count, least_second, share, first, weight, second, second_weight)
    return share, Shown(first, weight, second, second_weight)


def named_rows(names: tuple[str, ...], values: NDArray[np.float64]) -> list[dict[str, float]]:
    """A dictionary of the names and their values for each column [H, M]."""
    return compiled.named_rows(names, np.ascontiguousarray(values))


def distinct(rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows that occur, sorted, and at which of them each stands, in the shape of `rows`."""
    found, place = np.empty(rows.size, np.int64), np.empty(rows.shape, np.int64)
    return found[: compiled.distinct(rows, found, place)], place


def told(among: NDArray[np.float64], place: NDArray[np.int64], keys: int) -> NDArray[np.float64]:
    """The sum over all pairs of exposures that have a key [H, K], from [H, n, n] and the keys' places [n, F]."""
    found = np.empty((len(among), keys))
    compiled.told(among, place, len(place), found)
    return found


def count_keys(rows: NDArray[np.int64], counted: NDArray[np.float64], counts: NDArray[np.float64]) -> None:
    """Add what is counted of each exposure [n, C] to the counts of its keys [K, C], whose rows are [n, F]."""
    compiled.counted(rows, counted, counted.shape[1], counts)
