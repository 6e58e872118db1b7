"""Learning how modalities become one vector: right gradients, and videos of one taste come together."""

import numpy as np
import pytest

from ranker.learning.fusion import Array, Learned, Watched, co_recall, co_watched, learn, loss_of

DIMS = {"text": 7, "image": 5}
SPACE = 4


def weights(seed: int = 0) -> Learned:
    rng = np.random.default_rng(seed)
    maps = {name: rng.standard_normal((dim, SPACE)) for name, dim in DIMS.items()}
    return Learned(maps, {name: rng.standard_normal(dim + 1) * 0.5 for name, dim in DIMS.items()})


def rows(count: int, seed: int) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    made = {name: rng.standard_normal((count, dim)) for name, dim in DIMS.items()}
    made["image"][1] = 0  # a video without pictures
    return made


@pytest.mark.parametrize("kind", ["map", "gate"])
@pytest.mark.parametrize("name", sorted(DIMS))
def test_the_gradients_are_those_of_the_loss(kind: str, name: str) -> None:
    start, one, other = weights(), rows(6, 1), rows(6, 2)
    batch = np.array([[0, 1], [2, 3], [4, 5], [6, 7], [8, 1], [0, 9]])
    _, gradients = loss_of(start, one, other, batch)
    of = (start.maps if kind == "map" else start.gates)[name]
    for place in list(np.ndindex(of.shape))[::3]:
        kept, losses = of[place], []
        for nudge in (1e-5, -1e-5):
            of[place] = kept + nudge
            losses.append(loss_of(start, one, other, batch)[0])
        of[place] = kept
        assert gradients[kind, name][place] == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-4, abs=1e-7)


def test_learning_brings_videos_of_one_taste_together_though_their_rows_are_mostly_noise() -> None:
    rng = np.random.default_rng(5)
    kinds = rng.integers(0, 3, 120)
    text = rng.standard_normal((120, 7))
    text[np.arange(120), kinds] += 1.5  # noisy, but it tells the kind
    given = {"text": text, "image": rng.standard_normal((120, 5))}  # noise alone
    pairs = np.array([rng.choice(np.flatnonzero(kinds == kind), 2, replace=False) for kind in kinds for _ in range(6)])
    losses: list[float] = []
    start = weights(3)
    learned = learn(given, pairs, start, epochs=30, rate=0.02, on_epoch=lambda _, loss: losses.append(loss))
    assert losses[-1] < losses[0]

    def kept_by_kind(of: Learned) -> float:
        fused = sum(share * unit(given[name] @ of.maps[name]) for name, share in shares(of, given).items())
        alike = unit(fused) @ unit(fused).T
        np.fill_diagonal(alike, -2)
        return float((kinds[alike.argmax(axis=1)] == kinds).mean())

    assert kept_by_kind(learned) > kept_by_kind(start) + 0.1
    assert shares(learned, given)["text"].mean() > 0.6  # what says nothing is weighed down


def unit(points: Array) -> Array:
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def shares(of: Learned, given: dict[str, Array]) -> dict[str, Array]:
    gates = {name: given[name] @ of.gates[name][:-1] + of.gates[name][-1] for name in sorted(given)}
    raised = np.exp(np.stack(list(gates.values())))
    return {name: share[:, None] for name, share in zip(gates, raised / raised.sum(axis=0), strict=True)}


def test_learning_does_not_change_what_it_starts_from_and_repeats_itself() -> None:
    given, start = rows(20, 4), weights()
    before = weights()
    pairs = np.array([[at, (at + 1) % 20] for at in range(20)])
    one, other = (learn(given, pairs, start, epochs=2) for _ in range(2))
    assert all((one.maps[name] == other.maps[name]).all() for name in DIMS)
    assert all((start.maps[name] == before.maps[name]).all() for name in DIMS)


def test_pairs_are_of_one_person_and_one_session() -> None:
    minute = 60_000
    events = [
        Watched("ana", "a", 0), Watched("ana", "b", minute), Watched("ana", "c", 100 * minute),
        Watched("bo", "c", 101 * minute), Watched("bo", "a", 102 * minute), Watched("bo", "c", 103 * minute),
    ]  # fmt: skip
    assert co_watched(events, {"a": 0, "b": 1, "c": 2}).tolist() == [[0, 1], [0, 2]]
    assert co_watched(events, {"b": 0}).shape == (0, 2)


def test_recall_counts_who_is_among_the_nearest_and_equal_vectors_find_nobody() -> None:
    rng = np.random.default_rng(6)
    fused = rng.standard_normal((700, 8))
    fused /= np.linalg.norm(fused, axis=1, keepdims=True)
    fused[5] = 0
    asked = rng.integers(0, 700, (1500, 2))
    asked = asked[asked[:, 0] != asked[:, 1]]
    alike = fused @ fused.T
    alike[:, 5] = -np.inf
    np.fill_diagonal(alike, -np.inf)
    near = np.argsort(-alike, axis=1)[:, :10]
    counted = [second in near[first] for first, second in asked if 5 not in (first, second)]
    assert co_recall(fused, asked, 10) == pytest.approx(np.mean(counted))
    assert co_recall(np.ones((700, 1)), asked, 10) < 0.03
    assert np.isnan(co_recall(fused, np.array([[5, 1]]), 10))
