"""People, candidates and sources by chance for the compiled loops, and both their forms side by side."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from msgspec import structs

from ranker.catalogue.catalogue import Catalogue
from ranker.pipeline import merge
from ranker.pipeline.kernel import switch
from ranker.pipeline.pair_keys import Pairs
from ranker.pipeline.types import Candidates, SourceResult
from ranker.profile.history import Interaction
from ranker.profile.model import EMPTY, Profile
from tests.support.catalogues import LATER, kitchen_and_garden

VIDEOS_THERE = kitchen_and_garden(40)


def same(one: Any, other: Any) -> None:
    """Both hold the same bits, whatever they are made of."""
    assert type(one) is type(other)
    if isinstance(one, np.ndarray):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert one.tobytes() == other.tobytes(), (one, other)
    elif isinstance(one, Pairs):
        same((one.keys, one.table), (other.keys, other.table))
    elif is_dataclass(one):
        for field in fields(one):
            same(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, tuple | list):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            same(*pair)
    elif isinstance(one, dict):
        same([*one.items()], [*other.items()])
    else:
        assert one == other


def both(make: Callable[[], Any]) -> Any:
    """What a function gives, the same by both forms."""
    with switch.switched(True):
        compiled = make()
    with switch.switched(False):
        same(compiled, make())
    return compiled


def some(rng: np.random.Generator, *shape: int, levels: int = 0) -> np.ndarray:
    """Numbers about 0; of few levels, so that many are equal."""
    if levels:
        return (rng.integers(-levels, levels + 1, shape) / np.float32(levels)).astype(np.float32)
    scale = np.float32(10.0 ** rng.integers(-6, 6))
    return (rng.standard_normal(shape) * scale).astype(np.float32)


def catalogue_by(rng: np.random.Generator) -> Catalogue:
    """Videos of few creators, some of none, some without a vector, some retired."""
    catalogue = Catalogue()
    catalogue.apply(VIDEOS_THERE[: int(rng.integers(3, len(VIDEOS_THERE)))])
    rows = slice(0, catalogue.size)
    catalogue.creator[rows] = rng.integers(-1, 6, catalogue.size)
    catalogue.has_vector[rows] = rng.random(catalogue.size) < 0.8
    catalogue.duration_ms[rows] = rng.integers(0, 3, catalogue.size) * 17_000
    catalogue.total_popularity[rows] = some(rng, catalogue.size) ** 2
    catalogue.trend[rows] = some(rng, catalogue.size) ** 2
    return catalogue


def profiles_by(rng: np.random.Generator, catalogue: Catalogue, count: int) -> list[Profile]:
    """People who met some videos, of which the catalogue does not know all, at few times and with few weights."""

    def marks(most: int) -> tuple[Interaction, ...]:
        names = [*(catalogue.ids[row] for row in range(len(catalogue.ids))), "unknown"]
        chosen = rng.integers(0, len(names), rng.integers(0, most + 1)).tolist()
        return tuple(
            Interaction(names[place], LATER - int(rng.integers(0, 5)) * 86_400_000, int(rng.integers(0, 5)) * 25)
            for place in chosen
        )

    def one() -> Profile:
        seen = rng.choice(catalogue.code[: catalogue.size], int(rng.integers(0, 40))).astype("<u4").tobytes()
        lists = {"watches": marks(32), "likes": marks(16), "skips": marks(32), "follows": marks(16)}
        kept = {} if rng.random() < 0.2 else lists
        return structs.replace(EMPTY, newest_ms=LATER, seen=seen, **kept)

    return [one() for _ in range(count)]


def candidates_by(rng: np.random.Generator, catalogue: Catalogue, count: int) -> tuple[Candidates, int]:
    """Candidates of some queries, some of which may have none."""
    results = results_by(rng, catalogue, count)
    with switch.switched(False):
        return merge.merge(results, count, catalogue), count


def results_by(rng: np.random.Generator, catalogue: Catalogue, count: int) -> dict[str, SourceResult]:
    def one() -> SourceResult:
        size = int(rng.integers(0, 60)) if count else 0
        return SourceResult(
            rng.integers(0, catalogue.size, size).astype(np.int32), rng.integers(0, max(count, 1), size)
        )

    return {name: one() for name in ("near_recent", "fresh", "popular")[: rng.integers(1, 4)]}
