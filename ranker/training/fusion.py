"""Learns how modalities become one vector, from which videos the same people watched.

One linear map a modality, one score a modality, a softmax over what a video has, and a contrastive loss between
videos that were watched by the same person within a session (InfoNCE, van den Oord et al. 2018, arXiv:1807.03748,
with the batch as negatives; Adam, Kingma and Ba 2015, arXiv:1412.6980). numpy alone: the gradients are written out,
and a test compares them with differences.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isnan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Rows = NDArray[np.int64]
Keyed = dict[tuple[str, str], Array]  # by ("map" or "gate", modality)

SESSION_MS = 30 * 60_000  # two videos watched within it by one person belong together
TEMPERATURE = 0.1  # of the loss; a guess
RATE, BETAS, TINY = 1e-4, (0.9, 0.999), 1e-8  # of Adam; with 5e-4 the made-up world was learned by heart
BATCH = 128  # pairs
DROPPED = 0.2  # share of videos that lose one of several modalities in a step, so that each learns to stand alone
HELD = 0.1  # share of the events, the newest, that is kept to judge by
ASKED = 512  # videos compared at once with all others


class Watched(NamedTuple):
    """Somebody watched or liked a video."""

    user_id: str
    video_id: str
    at_ms: int


@dataclass(frozen=True)
class Learned:
    """Weights: by modality a map [D_m, K] and a gate [D_m + 1], whose last number is a bias."""

    maps: dict[str, Array]
    gates: dict[str, Array]


def co_watched(events: Sequence[Watched], known: Mapping[str, int]) -> Rows:
    """Pairs of rows [P, 2] of videos that one person watched one after the other within a session, each once a person.

    >>> seen = [Watched("ana", v, 1000 * at) for at, v in enumerate(["a", "b", "b", "x", "a"])]
    >>> co_watched(seen, {"a": 0, "b": 1}).tolist()
    [[0, 1]]
    """
    pairs: dict[tuple[str, int, int], None] = {}
    by_time = sorted(
        (one for one in events if one.video_id in known), key=lambda one: (one.user_id, one.at_ms, one.video_id)
    )
    for one, other in pairwise(by_time):
        near = one.user_id == other.user_id and other.at_ms - one.at_ms <= SESSION_MS
        if near and one.video_id != other.video_id:
            first, second = sorted((known[one.video_id], known[other.video_id]))
            pairs[one.user_id, first, second] = None
    return np.array([pair[1:] for pair in pairs], np.int64).reshape(-1, 2)


def newest_apart(events: Sequence[Watched]) -> tuple[list[Watched], list[Watched]]:
    """Events in order of time, cut in two: what is learned from, and the newest tenth to judge by.

    >>> early, late = newest_apart([Watched("ana", "a", 10 - at) for at in range(10)])
    >>> len(early), late
    (9, [Watched(user_id='ana', video_id='a', at_ms=10)])
    """
    by_time = sorted(events, key=lambda one: (one.at_ms, one.user_id, one.video_id))
    cut = len(by_time) - round(HELD * len(by_time))
    return by_time[:cut], by_time[cut:]


def replaces(new: float, old: float | None) -> bool:
    """Whether new weights take the place of old ones, by the recall of both; None: there are none.

    What is not better stays out: a new version of the weights costs a new vector of every video. Weights that find
    nothing to be judged by, whose recall is NaN, neither come in nor stay.

    >>> replaces(0.08, 0.07), replaces(0.07, 0.07), replaces(0.01, None)
    (True, False, True)
    >>> nan = float("nan")
    >>> replaces(nan, None), replaces(nan, 0.07), replaces(0.01, nan)
    (False, False, True)
    """
    return not isnan(new) and (old is None or isnan(old) or new > old)


def both_ways(pairs: Rows) -> Rows:
    """Each pair [P, 2] from either side, once: who is asked, and who should be found.

    >>> both_ways(np.array([[0, 2], [2, 0], [1, 2]])).tolist()
    [[0, 2], [1, 2], [2, 0], [2, 1]]
    """
    ways: Rows = np.unique(np.concatenate([pairs, pairs[:, ::-1]]), axis=0)
    return ways


def co_recall(fused: Array, asked: Rows, k: int) -> float:
    """How often the second video of a row [A, 2] is among the k nearest of the first; NaN where nothing is asked.

    fused  float [N, K] of norm 1; a zero row is no video, and what is asked of it or for it does not count

    >>> co_recall(np.array([[1.0, 0], [0.8, 0.6], [0, 1], [0, 0]]), np.array([[0, 1], [0, 2], [2, 3]]), k=1)
    0.5
    """
    there = np.asarray(fused.any(axis=1))
    asked = asked[there[asked].all(axis=1)]
    if not len(asked):
        return float("nan")
    found = 0
    for begin in range(0, len(asked), ASKED):
        first, second = asked[begin : begin + ASKED].T
        scores = np.where(there, fused[first] @ fused.T, -np.inf)  # [A, N]
        scores[np.arange(len(first)), first] = -np.inf
        sought = scores[np.arange(len(first)), second][:, None]
        before = np.arange(len(fused)) < second[:, None]  # videos that are all alike would else be all found
        found += int((((scores > sought) | ((scores == sought) & before)).sum(axis=1) < k).sum())
    return found / len(asked)


def learn(
    modalities: Mapping[str, Array],
    pairs: Rows,
    start: Learned,
    *,
    epochs: int = 10,
    rate: float = RATE,
    dropped: float = DROPPED,
    seed: int = 0,
    said: Callable[[int, float], None] = lambda _, __: None,
) -> Learned:
    """Go over the pairs [P, 2] so many times, and return the weights after the last step, float32.

    modalities  by name float [N, D_m], zero rows where a video lacks it
    dropped     share of the videos of a step that lose one of their modalities
    said        hears after each epoch which it was and its mean loss
    """
    chance = np.random.default_rng(seed)
    weights: Keyed = {("map", name): of.astype(np.float32) for name, of in start.maps.items()}
    weights |= {("gate", name): of.astype(np.float32) for name, of in start.gates.items()}
    moments = {key: (np.zeros_like(of), np.zeros_like(of)) for key, of in weights.items()}
    step = 0
    for epoch in range(epochs):
        losses = []
        shuffled = pairs[chance.permutation(len(pairs))]
        for begin in range(0, len(shuffled), BATCH):
            batch = shuffled[begin : begin + BATCH]
            if len(batch) < 2:
                continue  # no negative to tell it from
            step += 1
            one, other = (_dropped(modalities, batch[:, side], dropped, chance) for side in (0, 1))
            loss, slopes = loss_of(Learned(_of(weights, "map"), _of(weights, "gate")), one, other, batch)
            losses.append(loss)
            for key, slope in slopes.items():
                first, second = moments[key]
                first += (1 - BETAS[0]) * (slope - first)
                second += (1 - BETAS[1]) * (slope * slope - second)
                mean, spread = first / (1 - BETAS[0] ** step), second / (1 - BETAS[1] ** step)
                weights[key] -= rate * mean / (np.sqrt(spread) + TINY)
        said(epoch + 1, float(np.mean(losses)) if losses else 0.0)
    return Learned(_of(weights, "map"), _of(weights, "gate"))


def loss_of(weights: Learned, one: Mapping[str, Array], other: Mapping[str, Array], batch: Rows) -> tuple[float, Keyed]:
    """Mean InfoNCE of the batch in both directions, and its slope by each weight.

    batch  int [B, 2] which videos they are: a video is no negative of itself, wherever it stands
    """
    left, right = Pass(weights, one), Pass(weights, other)
    scores = left.fused @ right.fused.T / TEMPERATURE  # [B, B]
    twins = (batch[:, 1][None, :] == batch[:, 1][:, None]) | (batch[:, 0][:, None] == batch[:, 1][None, :])
    np.fill_diagonal(twins, False)
    scores = np.where(twins, -np.inf, scores)
    rows, columns = _softmax(scores, 1), _softmax(scores, 0)
    count, here = len(batch), np.arange(len(batch))
    loss = -(np.log(rows[here, here]) + np.log(columns[here, here])).mean() / 2
    slope = (rows + columns) / 2
    slope[here, here] -= 1
    slope /= count * TEMPERATURE
    slopes = left.back(slope @ right.fused)
    for key, of in right.back(slope.T @ left.fused).items():
        slopes[key] = slopes[key] + of
    return float(loss), slopes


class Pass:
    """One batch through the weights, kept for the way back: fused [B, K] of norm 1."""

    def __init__(self, weights: Learned, given: Mapping[str, Array]) -> None:
        self._given, self._names = given, sorted(weights.maps)
        has = np.stack([given[name].any(axis=1) for name in self._names])  # [M, B]
        points = [given[name] @ weights.maps[name] for name in self._names]
        self._lengths = [np.maximum(np.linalg.norm(point, axis=1, keepdims=True), TINY) for point in points]
        self._units = [point / length for point, length in zip(points, self._lengths, strict=True)]
        gates = [given[name] @ weights.gates[name][:-1] + weights.gates[name][-1] for name in self._names]
        self._shares = _softmax(np.where(has, np.stack(gates), -np.inf), 0)  # [M, B]
        total = np.sum([share[:, None] * unit for share, unit in zip(self._shares, self._units, strict=True)], axis=0)
        self._length = np.maximum(np.linalg.norm(total, axis=1, keepdims=True), TINY)
        self.fused: Array = total / self._length

    def back(self, slope: Array) -> Keyed:
        """From the loss's slope by `fused` to those by each weight."""
        slope = _through_norm(slope, self.fused, self._length)
        pulls = np.stack([(unit * slope).sum(axis=1) for unit in self._units])  # [M, B]
        gates = self._shares * (pulls - (self._shares * pulls).sum(axis=0))
        slopes: Keyed = {}
        for place, name in enumerate(self._names):
            given, unit = self._given[name], self._units[place]
            points = _through_norm(self._shares[place][:, None] * slope, unit, self._lengths[place])
            slopes["map", name] = given.T @ points
            slopes["gate", name] = np.append(given.T @ gates[place], gates[place].sum())
        return slopes


def _through_norm(slope: Array, unit: Array, length: Array) -> Array:
    through: Array = (slope - unit * (unit * slope).sum(axis=1, keepdims=True)) / length
    return through


def _softmax(scores: Array, axis: int) -> Array:
    highest = scores.max(axis=axis, keepdims=True)
    raised: Array = np.exp(scores - np.where(np.isfinite(highest), highest, 0.0))
    shares: Array = raised / np.maximum(raised.sum(axis=axis, keepdims=True), TINY)
    return shares


def _dropped(
    modalities: Mapping[str, Array], rows: Rows, share: float, chance: np.random.Generator
) -> dict[str, Array]:
    """The batch's rows, some without one of their modalities, none without all."""
    given = {name: modalities[name][rows].astype(np.float32) for name in sorted(modalities)}
    has = np.stack([of.any(axis=1) for of in given.values()])
    victims = chance.integers(0, len(given), len(rows))
    falls = (chance.random(len(rows)) < share) & (has.sum(axis=0) > 1)
    for place, name in enumerate(given):
        given[name][falls & (victims == place)] = 0.0
    return given


def _of(weights: Keyed, kind: str) -> dict[str, Array]:
    return {name: of for (what, name), of in weights.items() if what == kind}
