"""The scorer's name: a slate says by which weights it was made."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from ranker.feeds.ranking_table import usual_table
from ranker.pipeline.scorers import Weights, weighted_sum

WEIGHTS = usual_table().score.weights


def test_released_weights_have_their_number() -> None:
    assert weighted_sum(WEIGHTS).version == WEIGHTS.version == "weighted-sum@1"


@pytest.mark.parametrize(
    "changed",
    [
        {"heads": {**WEIGHTS.heads, "like": {**WEIGHTS.heads["like"], "bias": -4.5}}},
        {"head_weights": {**WEIGHTS.head_weights, "skip": -1.1}},
        {"heads": {name: WEIGHTS.heads[name] for name in ("finish", "like")}},
    ],
)
def test_other_weights_have_another_name(changed: Mapping[str, Mapping[str, float]]) -> None:
    other = replace(WEIGHTS, **changed)  # type: ignore[arg-type]
    assert other.version.startswith("weighted-sum@") and other.version != WEIGHTS.version
    assert weighted_sum(other).version == other.version


def test_the_order_of_the_table_changes_no_name() -> None:
    turned = Weights(
        heads={head: dict(reversed([*weights.items()])) for head, weights in reversed([*WEIGHTS.heads.items()])},
        head_weights=dict(reversed([*WEIGHTS.head_weights.items()])),
    )
    assert turned.version == WEIGHTS.version
