"""Learns to fuse modalities into one embedding, from which videos the same people watched.

One linear map and one gate a modality, a softmax over the modalities that a video has, and a contrastive loss between
videos that one person watched within a session (InfoNCE, van den Oord et al. 2018, arXiv:1807.03748, with in-batch
negatives; Adam, Kingma and Ba 2015, arXiv:1412.6980). numpy alone: the gradients are written out, and a test compares
them with finite differences.
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

SESSION_MS = 30 * 60_000  # two videos that one person watched within it are a positive pair
TEMPERATURE = 0.1  # of the loss; a guess
RATE, BETAS, EPSILON = 1e-4, (0.9, 0.999), 1e-8  # of Adam; with a rate of 5e-4 the simulated log was overfitted
BATCH_SIZE = 128  # pairs
MODALITY_DROPOUT = 0.2  # share of videos that lose one of several modalities in a step, so that each can stand alone
HELD_OUT = 0.1  # share of the events, the newest, that the weights are judged by
QUERY_BLOCK = 512  # videos compared with all others in one product


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
    """Pairs of rows [P, 2] of videos that one person watched in a row within a session, each pair once a person.

    >>> seen = [Watched("ana", v, 1000 * at) for at, v in enumerate(["a", "b", "b", "x", "a"])]
    >>> co_watched(seen, {"a": 0, "b": 1}).tolist()
    [[0, 1]]
    """
    pairs: dict[tuple[str, int, int], None] = {}
    by_time = sorted(
        (event for event in events if event.video_id in known),
        key=lambda event: (event.user_id, event.at_ms, event.video_id),
    )
    for earlier, later in pairwise(by_time):
        same_session = earlier.user_id == later.user_id and later.at_ms - earlier.at_ms <= SESSION_MS
        if same_session and earlier.video_id != later.video_id:
            first, second = sorted((known[earlier.video_id], known[later.video_id]))
            pairs[earlier.user_id, first, second] = None
    return np.array([pair[1:] for pair in pairs], np.int64).reshape(-1, 2)


def newest_apart(events: Sequence[Watched]) -> tuple[list[Watched], list[Watched]]:
    """Events in order of time, split into a training part and the newest tenth, which is held out.

    >>> early, late = newest_apart([Watched("ana", "a", 10 - at) for at in range(10)])
    >>> len(early), late
    (9, [Watched(user_id='ana', video_id='a', at_ms=10)])
    """
    by_time = sorted(events, key=lambda event: (event.at_ms, event.user_id, event.video_id))
    cut = len(by_time) - round(HELD_OUT * len(by_time))
    return by_time[:cut], by_time[cut:]


def replaces(new: float, old: float | None) -> bool:
    """Whether new weights replace old ones, by the recall of both; None: there are no old ones.

    Equal ones do not: new weights cost a new vector of every video. Weights that could not be judged, whose recall is
    NaN, neither replace others nor are kept.

    >>> replaces(0.08, 0.07), replaces(0.07, 0.07), replaces(0.01, None)
    (True, False, True)
    >>> nan = float("nan")
    >>> replaces(nan, None), replaces(nan, 0.07), replaces(0.01, nan)
    (False, False, True)
    """
    return not isnan(new) and (old is None or isnan(old) or new > old)


def both_ways(pairs: Rows) -> Rows:
    """Each pair [P, 2] in both directions, once: a query video, and one that it should find.

    >>> both_ways(np.array([[0, 2], [2, 0], [1, 2]])).tolist()
    [[0, 2], [1, 2], [2, 0], [2, 1]]
    """
    ways: Rows = np.unique(np.concatenate([pairs, pairs[:, ::-1]]), axis=0)
    return ways


def co_recall(fused: Array, pairs: Rows, k: int) -> float:
    """How often the second video of a pair [P, 2] is among the k nearest of the first; NaN without any pair.

    fused  float [N, K] of norm 1; a zero row stands for no video, and pairs with it do not count

    >>> co_recall(np.array([[1.0, 0], [0.8, 0.6], [0, 1], [0, 0]]), np.array([[0, 1], [0, 2], [2, 3]]), k=1)
    0.5
    """
    exists = np.asarray(fused.any(axis=1))
    pairs = pairs[exists[pairs].all(axis=1)]
    if not len(pairs):
        return float("nan")
    found = 0
    for start in range(0, len(pairs), QUERY_BLOCK):
        first, second = pairs[start : start + QUERY_BLOCK].T
        scores = np.where(exists, fused[first] @ fused.T, -np.inf)  # [Q, N]
        scores[np.arange(len(first)), first] = -np.inf
        wanted = scores[np.arange(len(first)), second][:, None]
        earlier = np.arange(len(fused)) < second[:, None]  # breaks ties, else equal vectors would all be found
        found += int((((scores > wanted) | ((scores == wanted) & earlier)).sum(axis=1) < k).sum())
    return found / len(pairs)


def learn(
    modalities: Mapping[str, Array],
    pairs: Rows,
    start: Learned,
    *,
    epochs: int = 10,
    rate: float = RATE,
    dropout: float = MODALITY_DROPOUT,
    seed: int = 0,
    on_epoch: Callable[[int, float], None] = lambda _, __: None,
) -> Learned:
    """Train on the pairs [P, 2] for so many epochs, and return the weights after the last step, float32.

    modalities  by name float [N, D_m], zero rows where a video lacks it
    dropout     share of the videos of a step that lose one of their modalities
    on_epoch    called after each epoch with its number and its mean loss
    """
    rng = np.random.default_rng(seed)
    weights: Keyed = {("map", name): values.astype(np.float32) for name, values in start.maps.items()}
    weights |= {("gate", name): values.astype(np.float32) for name, values in start.gates.items()}
    moments = {key: (np.zeros_like(values), np.zeros_like(values)) for key, values in weights.items()}
    step = 0
    for epoch in range(epochs):
        losses = []
        shuffled = pairs[rng.permutation(len(pairs))]
        for begin in range(0, len(shuffled), BATCH_SIZE):
            batch = shuffled[begin : begin + BATCH_SIZE]
            if len(batch) < 2:
                continue  # it has no negative
            step += 1
            left, right = (_with_dropout(modalities, batch[:, side], dropout, rng) for side in (0, 1))
            loss, gradients = loss_of(Learned(_of(weights, "map"), _of(weights, "gate")), left, right, batch)
            losses.append(loss)
            for key, gradient in gradients.items():
                first, second = moments[key]
                first += (1 - BETAS[0]) * (gradient - first)
                second += (1 - BETAS[1]) * (gradient * gradient - second)
                mean, variance = first / (1 - BETAS[0] ** step), second / (1 - BETAS[1] ** step)
                weights[key] -= rate * mean / (np.sqrt(variance) + EPSILON)
        on_epoch(epoch + 1, float(np.mean(losses)) if losses else 0.0)
    return Learned(_of(weights, "map"), _of(weights, "gate"))


def loss_of(
    weights: Learned, left: Mapping[str, Array], right: Mapping[str, Array], batch: Rows
) -> tuple[float, Keyed]:
    """Mean InfoNCE of the batch in both directions, and its gradient by each weight.

    left, right  the modalities of the first and of the second videos of the pairs
    batch        int [B, 2], the videos of the pairs: a video is never a negative of itself
    """
    firsts, seconds = ForwardPass(weights, left), ForwardPass(weights, right)
    scores = firsts.fused @ seconds.fused.T / TEMPERATURE  # [B, B]
    same = (batch[:, 1][None, :] == batch[:, 1][:, None]) | (batch[:, 0][:, None] == batch[:, 1][None, :])
    np.fill_diagonal(same, False)
    scores = np.where(same, -np.inf, scores)
    rows, columns = _softmax(scores, 1), _softmax(scores, 0)
    count, diagonal = len(batch), np.arange(len(batch))
    loss = -(np.log(rows[diagonal, diagonal]) + np.log(columns[diagonal, diagonal])).mean() / 2
    gradient = (rows + columns) / 2
    gradient[diagonal, diagonal] -= 1
    gradient /= count * TEMPERATURE
    gradients = firsts.backward(gradient @ seconds.fused)
    for key, values in seconds.backward(gradient.T @ firsts.fused).items():
        gradients[key] = gradients[key] + values
    return float(loss), gradients


class ForwardPass:
    """One batch through the weights, with what the backward pass needs: fused [B, K] of norm 1."""

    def __init__(self, weights: Learned, inputs: Mapping[str, Array]) -> None:
        self._inputs, self._names = inputs, sorted(weights.maps)
        has = np.stack([inputs[name].any(axis=1) for name in self._names])  # [M, B]
        points = [inputs[name] @ weights.maps[name] for name in self._names]
        self._norms = [np.maximum(np.linalg.norm(point, axis=1, keepdims=True), EPSILON) for point in points]
        self._units = [point / norm for point, norm in zip(points, self._norms, strict=True)]
        gates = [inputs[name] @ weights.gates[name][:-1] + weights.gates[name][-1] for name in self._names]
        self._shares = _softmax(np.where(has, np.stack(gates), -np.inf), 0)  # [M, B]
        total = np.sum([share[:, None] * unit for share, unit in zip(self._shares, self._units, strict=True)], axis=0)
        self._norm = np.maximum(np.linalg.norm(total, axis=1, keepdims=True), EPSILON)
        self.fused: Array = total / self._norm

    def backward(self, gradient: Array) -> Keyed:
        """From the loss's gradient by `fused` to its gradient by each weight."""
        gradient = _through_norm(gradient, self.fused, self._norm)
        by_share = np.stack([(unit * gradient).sum(axis=1) for unit in self._units])  # [M, B]
        gates = self._shares * (by_share - (self._shares * by_share).sum(axis=0))
        gradients: Keyed = {}
        for place, name in enumerate(self._names):
            inputs, unit = self._inputs[name], self._units[place]
            points = _through_norm(self._shares[place][:, None] * gradient, unit, self._norms[place])
            gradients["map", name] = inputs.T @ points
            gradients["gate", name] = np.append(inputs.T @ gates[place], gates[place].sum())
        return gradients


def _through_norm(gradient: Array, unit: Array, norm: Array) -> Array:
    through: Array = (gradient - unit * (unit * gradient).sum(axis=1, keepdims=True)) / norm
    return through


def _softmax(scores: Array, axis: int) -> Array:
    highest = scores.max(axis=axis, keepdims=True)
    powers: Array = np.exp(scores - np.where(np.isfinite(highest), highest, 0.0))
    shares: Array = powers / np.maximum(powers.sum(axis=axis, keepdims=True), EPSILON)
    return shares


def _with_dropout(
    modalities: Mapping[str, Array], rows: Rows, share: float, rng: np.random.Generator
) -> dict[str, Array]:
    """The batch's rows, some without one of their modalities, none without all."""
    inputs = {name: modalities[name][rows].astype(np.float32) for name in sorted(modalities)}
    has = np.stack([values.any(axis=1) for values in inputs.values()])
    dropped = rng.integers(0, len(inputs), len(rows))
    drops = (rng.random(len(rows)) < share) & (has.sum(axis=0) > 1)
    for place, name in enumerate(inputs):
        inputs[name][drops & (dropped == place)] = 0.0
    return inputs


def _of(weights: Keyed, kind: str) -> dict[str, Array]:
    return {name: values for (key, name), values in weights.items() if key == kind}
