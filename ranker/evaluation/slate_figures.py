"""What is said of slates as lists: how diverse one is, how alike two are, how evenly many show the catalogue."""

from collections.abc import Sequence
from math import log2

import numpy as np
from numpy.typing import NDArray

from ranker.evaluation.bootstrap import NAN, Floats

PERSISTENCE = 0.9  # of rank-biased overlap: the first ten places carry 86 % of its weight


def intra_list_distance(vectors: NDArray[np.floating]) -> float:
    """The mean of 1 − cosine over the pairs of a slate's videos; NaN where there are fewer than two.

    vectors  [n, D], unit rows

    Ziegler et al. 2005, "Improving recommendation lists through topic diversification".

    >>> intra_list_distance(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])).__round__(3)
    0.667
    """
    n = len(vectors)
    if n < 2:
        return NAN
    total = vectors.sum(axis=0, dtype=np.float64)
    own = float(np.square(vectors, dtype=np.float64).sum())
    return 1.0 - (float(total @ total) - own) / (n * (n - 1))


def overlap_at(k: int, one: Sequence[str], other: Sequence[str]) -> float:
    """The share of the first k places of the longer slate whose videos both have there.

    >>> overlap_at(2, ["a", "b", "c"], ["b", "c", "a"])
    0.5
    """
    first, second = one[:k], other[:k]
    return len({*first} & {*second}) / max(len(first), len(second), 1)


def rank_biased_overlap(one: Sequence[str], other: Sequence[str], persistence: float = PERSISTENCE) -> float:
    """How alike two rankings are, the first places counting most: 1 where they are the same, 0 where nothing is shared.

    Webber, Moffat & Zobel 2010, "A similarity measure for indefinite rankings", equation 32: extrapolated, for lists
    of any two lengths.

    >>> rank_biased_overlap(["a", "b"], ["a", "b"]), rank_biased_overlap(["a"], ["b"])
    (1.0, 0.0)
    """
    short, long = sorted((one, other), key=len)
    if not short:
        return float(not long)
    p, s, length = persistence, len(short), len(long)
    shared = _shared(short, long)  # X_d of the paper
    agreed = sum(shared[d] / d * p**d for d in range(1, length + 1))
    beyond = sum(shared[s] * (d - s) / (s * d) * p**d for d in range(s + 1, length + 1))
    rest = ((shared[length] - shared[s]) / length + shared[s] / s) * p**length
    return min(1.0, (1 - p) / p * (agreed + beyond) + rest)


def _shared(short: Sequence[str], long: Sequence[str]) -> list[int]:
    """How many videos both have among their first d, for d from 0 to the length of the longer one."""
    found, left, right = [0], set[str](), set[str]()
    for d, video_id in enumerate(long):
        right.add(video_id)
        left.update(short[d : d + 1])
        found.append(found[-1] + (video_id in left) + (d < len(short) and short[d] in right and short[d] != video_id))
    return found


def gain_at(rank: int | None, k: int | None = None) -> float:
    """The NDCG of a slate whose only wanted video stands at a rank, from 1; 0 where it is not among the first k.

    Järvelin & Kekäläinen 2002, "Cumulated gain-based evaluation of IR techniques".

    >>> gain_at(1), gain_at(3), gain_at(11, 10), gain_at(None)
    (1.0, 0.5, 0.0, 0.0)
    """
    return 0.0 if rank is None or (k is not None and rank > k) else 1 / log2(1 + rank)


def surprise(met_by: int, people: int) -> float:
    """−log2 of the share of people who had met a video, in bits; one is added to both, so that nothing is infinite.

    Zhou et al. 2010, "Solving the apparent diversity-accuracy dilemma of recommender systems".

    >>> surprise(0, 7), surprise(7, 7)
    (3.0, 0.0)
    """
    return log2(people + 1) - log2(met_by + 1)


def gini(counts: Floats) -> Floats:
    """How unevenly places are spread: 0 where all have as many, near 1 where one has all; NaN where nobody has any.

    counts  [..., n], also of those that have none

    >>> gini(np.array([[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 4.0]])).tolist()
    [0.0, 0.75]
    """
    n, ordered = counts.shape[-1], np.sort(counts, axis=-1)
    total = ordered.sum(axis=-1)
    weighted = ordered @ (2 * np.arange(1, n + 1) - n - 1.0)
    found: Floats = np.divide(weighted, n * total, out=np.full(np.shape(total), NAN), where=total > 0)
    return found
