"""Re-ranking: diversity, the creator cap, ties, scores that are not finite, and the exact propensity of a draw."""

from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.catalogue import Catalogue
from ranker.catalogue.entry import Entry
from ranker.pipeline.exploration import sample_two
from ranker.pipeline.kernel.fused import POOL_SIZE
from ranker.pipeline.pair_keys import keys_of
from ranker.pipeline.query_features import query_features
from ranker.pipeline.reranking import Mix, diverse
from ranker.pipeline.scorers import logistic
from ranker.pipeline.source_sets import single
from ranker.pipeline.types import Candidates, Query, QueryBatch, Scores
from ranker.profile.model import EMPTY

NOON = 1_650_000_000_000
MIX = Mix(relevance=0.7, per_creator=2, explore="fresh")


class Slate(NamedTuple):
    """Rows in rank order and the chance of each."""

    rows: NDArray[np.int32]
    propensity: NDArray[np.float64]


def axis(*place: int) -> NDArray[np.float32]:
    vector = np.zeros(256, np.float32)
    vector[list(place)] = 1
    return vector


def catalogue_of(*videos: tuple[str, NDArray[np.float32] | None, str | None]) -> Catalogue:
    catalogue = Catalogue()
    catalogue.add(Entry(name, NOON, vector, creator) for name, vector, creator in videos)
    return catalogue


def select(
    catalogue: Catalogue, score: list[float], size: int, fresh: bool = False, user_id: str = "ana", mix: Mix = MIX
) -> Slate:
    count = catalogue.size
    sources = single(("fresh", "other"), "fresh" if fresh else "other", count)
    query = np.zeros(count, np.int64)
    keys = keys_of(query, np.arange(count))
    candidates = Candidates(keys, catalogue.by_id, query, sources, np.array([0, count]))
    asked = QueryBatch([Query(user_id, 1, NOON, EMPTY)], query_features([EMPTY], catalogue))
    selection = diverse(catalogue, size, mix)(
        asked, candidates, Scores({}, np.array(score, np.float32)[catalogue.by_id])
    )
    chosen = selection.places[0] >= 0
    return Slate(catalogue.by_id[selection.places[0][chosen]], selection.propensity[0][chosen])


def names(catalogue: Catalogue, slate: Slate) -> list[str]:
    return [catalogue.ids[row] for row in slate.rows]


def test_a_duplicate_of_the_best_ranks_behind_something_different() -> None:
    catalogue = catalogue_of(
        ("a", axis(0), None), ("a-again", axis(0), None), ("b", axis(1), None), ("c", axis(2), None)
    )
    assert names(catalogue, select(catalogue, [1.0, 0.9, 0.85, 0.0], 4)) == ["a", "b", "a-again", "c"]


def test_a_creator_has_two_places_while_there_are_others() -> None:
    loud = [(f"loud-{i}", axis(i), "loud") for i in range(6)]
    quiet = [(f"quiet-{i}", axis(10 + i), f"q{i}") for i in range(4)]
    catalogue = catalogue_of(*loud, *quiet)
    score = [1.0 - 0.01 * i for i in range(6)] + [0.1 - 0.01 * i for i in range(4)]
    found = names(catalogue, select(catalogue, score, 8))
    assert sum(name.startswith("loud") for name in found[:6]) == MIX.per_creator
    assert len(found) == 8, "beyond the cap only when nothing else is left"


def test_a_category_has_as_many_places_as_its_limit_says_while_there_are_others() -> None:
    catalogue = Catalogue()
    dance = [Entry(f"dance-{i}", NOON, axis(i), category="dance") for i in range(5)]
    catalogue.add([*dance, *(Entry(f"other-{i}", NOON, axis(10 + i)) for i in range(3))])
    score = [1.0 - 0.01 * i for i in range(5)] + [0.1 - 0.01 * i for i in range(3)]
    found = names(catalogue, select(catalogue, score, 8, mix=Mix(0.7, per_category=3)))
    assert sum(name.startswith("dance") for name in found[:6]) == 3
    unlimited = names(catalogue, select(catalogue, score, 8, mix=Mix(0.7)))
    assert sum(name.startswith("dance") for name in unlimited[:6]) == 5


def test_a_slate_of_relevance_alone_is_in_the_order_of_scores() -> None:
    catalogue = catalogue_of(("a", axis(0), None), ("a-again", axis(0), None), ("b", axis(1), None))
    assert names(catalogue, select(catalogue, [1.0, 0.9, 0.85], 3, mix=Mix(1.0))) == ["a", "a-again", "b"]


def test_a_slate_of_diversity_alone_is_full() -> None:
    catalogue = catalogue_of(("a", axis(0), None), ("a-again", axis(0), None), ("b", axis(1), None))
    assert names(catalogue, select(catalogue, [1.0, 0.9, 0.85], 3, mix=Mix(0.0))) == ["a", "b", "a-again"]


def test_a_mix_without_exploration_draws_nothing() -> None:
    catalogue = catalogue_of(*((f"v{i:02}", axis(i), None) for i in range(40)))
    slate = select(catalogue, [-float(i) for i in range(40)], 20, fresh=True, mix=Mix(0.7))
    assert (slate.propensity == 1).all() and names(catalogue, slate) == [f"v{i:02}" for i in range(20)]


def test_videos_of_unnamed_creators_do_not_share_a_cap() -> None:
    catalogue = catalogue_of(*((f"v{i}", axis(i), None) for i in range(5)))
    assert names(catalogue, select(catalogue, [5, 4, 3, 2, 1], 4)) == ["v0", "v1", "v2", "v3"]


def test_equal_scores_come_in_the_order_of_ids() -> None:
    order = ["v3", "v1", "v4", "v0", "v2"]
    catalogue = catalogue_of(*((name, axis(i), None) for i, name in enumerate(order)))
    assert names(catalogue, select(catalogue, [0.5] * 5, 5)) == sorted(order)


def test_scores_that_are_not_finite_are_never_shown() -> None:
    catalogue = catalogue_of(*((f"v{i}", axis(i), None) for i in range(5)))
    found = names(catalogue, select(catalogue, [np.nan, 1.0, np.inf, -np.inf, 0.5], 5))
    assert found == ["v1", "v4"]


def test_only_the_best_of_many_compete() -> None:
    catalogue = catalogue_of(*((f"v{i:03}", axis(i), None) for i in range(200)))
    slate = select(catalogue, list(np.linspace(1, 0, 200)), 150)
    assert len(slate.rows) == POOL_SIZE
    assert set(slate.rows) == set(range(POOL_SIZE))


def test_a_draw_says_its_exact_propensity() -> None:
    catalogue = catalogue_of(*((f"v{i:03}", axis(i), None) for i in range(40)))
    score = list(np.linspace(1, 0, 40))
    eighth: Counter[int] = Counter()
    sixteenth: Counter[int] = Counter()
    for i in range(1_200):
        slate = select(catalogue, score, 20, fresh=True, user_id=f"u{i}")
        assert slate.propensity[7] == slate.propensity[15] == 1 / 22
        assert (np.delete(slate.propensity, [7, 15]) == 1).all()
        assert len(set(slate.rows.tolist())) == 20
        eighth[int(slate.rows[7])] += 1
        sixteenth[int(slate.rows[15])] += 1
    for counts in (eighth, sixteenth):
        assert sorted(counts) == list(range(18, 40))
        assert all(abs(count - 1_200 / 22) < 5 * (1_200 / 22) ** 0.5 for count in counts.values())


def test_two_draws_differ_and_every_pair_happens() -> None:
    pairs = {sample_two(Query(f"u{i}", 1, 0, EMPTY), 4) for i in range(500)}
    assert pairs == {(a, b) for a in range(4) for b in range(4) if a != b}


def test_without_two_fresh_videos_to_draw_from_nothing_is_drawn() -> None:
    catalogue = catalogue_of(*((f"v{i:03}", axis(i), "one" if i >= 18 else f"c{i}") for i in range(40)))
    assert (select(catalogue, list(np.linspace(1, 0, 40)), 20).propensity == 1).all()


def test_a_logistic_has_the_same_bits_at_every_place_of_an_array() -> None:
    values = np.random.default_rng(0).standard_normal(1_000).astype(np.float32) * 5
    alone = np.concatenate([logistic(values[i : i + 1]) for i in range(1_000)])
    assert alone.tobytes() == logistic(values).tobytes()
