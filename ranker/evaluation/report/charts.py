"""The pictures of calibration, of activity groups, and of accuracy against diversity.

In every picture our model is number 0 and baselines are numbered as they come.
"""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import NamedTuple

from ranker.evaluation.bootstrap import Estimate
from ranker.evaluation.figures import GROUPS
from ranker.evaluation.report.svg import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    STYLES,
    TOP,
    WIDTH,
    Axis,
    axis_over,
    grid_below,
    grid_beside,
    line,
    marker,
    picture,
    text,
)
from ranker.evaluation.result import Bin, HeadResult
from ranker.evaluation.wording import number, percent, with_interval

LOW, HIGH = HEIGHT - BOTTOM, TOP  # ends of a picture's vertical axis
ROW = 10  # height of a model among the others of its group


class Point(NamedTuple):
    """A policy that makes slates: how accurate they are, and how diverse."""

    name: str
    accuracy: float
    diversity: float


def calibration_chart(title: str, bins: Sequence[Bin]) -> str:
    """What was predicted in each bin against what happened, with its interval; the diagonal is where both are equal."""
    most = 1.05 * max((max(one.predicted, *_ends(one.observed)) for one in bins), default=1.0)
    across, up = Axis(0, most, LEFT, WIDTH - RIGHT), Axis(0, most, LOW, HIGH)
    marks = []
    for one in bins:
        x, share = across.place(one.predicted), percent(one.observed.value)
        label = f"{percent(one.predicted)} predicted, {share} observed of {one.exposures:,}"
        marks.append(_range(one.observed, up, x, 0))
        marks.append(marker(0, x, up.place(one.observed.value), label))
    diagonal = line(LEFT, LOW, WIDTH - RIGHT, HIGH, "guide")
    grids = [grid_below(across, HEIGHT, _percent_tick, "predicted"), grid_beside(up, _percent_tick)]
    return picture(title, *grids, diagonal, *marks)


def _percent_tick(value: float) -> str:
    return f"{100 * value:.3g} %"


def _ends(estimate: Estimate) -> list[float]:
    """Everything that a mark of it covers."""
    return [value for value in estimate if isfinite(value)]


def _range(estimate: Estimate, up: Axis, x: float, model: int) -> str:
    if not isfinite(estimate.low):
        return ""
    return line(x, up.place(estimate.low), x, up.place(estimate.high), f"range s{model % STYLES}")


def groups_chart(title: str, heads: Mapping[str, HeadResult], exposures: Mapping[str, int]) -> str:
    """The AUC of each activity group by model, with intervals; `exposures` says how many each group has."""
    tall = ROW * len(heads) + 16  # of a group
    height = TOP + tall * len(GROUPS) + BOTTOM
    values = [end for result in heads.values() for one in result.groups.values() for end in _ends(one)]
    across = axis_over(values, LEFT + 22, WIDTH - RIGHT)
    drawn = [grid_below(across, height, number, "AUC")]
    for place, group in enumerate(GROUPS):
        top = TOP + tall * place
        drawn.append(text(group.key.replace("-", "–"), 4, top + tall / 2, "tick", "start"))
        drawn.append(text(f"{exposures.get(group.key, 0):,}", 4, top + tall / 2 + 13, "tick faint", "start"))
        drawn.append(line(0, top + tall, WIDTH, top + tall, "grid"))
        for model, (name, result) in enumerate(heads.items()):
            drawn.append(_group_mark(model, name, result.groups[group.key], across, top + 8 + ROW * (model + 0.5)))
    return picture(title, *drawn, height=height)


def _group_mark(model: int, name: str, auc: Estimate, across: Axis, y: float) -> str:
    if not isfinite(auc.value):
        return ""
    mark = marker(model, across.place(auc.value), y, f"{name}: {with_interval(auc)}", size=3.5)
    if not isfinite(auc.low):
        return mark
    return line(across.place(auc.low), y, across.place(auc.high), y, f"range s{model % STYLES}") + mark


def trade_off_chart(title: str, points: Sequence[Point]) -> str:
    """Policies by the diversity and the accuracy of their slates; above and to the right is better."""
    across = axis_over([one.diversity for one in points], LEFT, WIDTH - RIGHT)
    up = axis_over([one.accuracy for one in points], LOW, HIGH)
    marks = [
        marker(
            place,
            across.place(one.diversity),
            up.place(one.accuracy),
            f"{one.name}: accuracy {number(one.accuracy)}, diversity {number(one.diversity)}",
            size=5,
        )
        for place, one in enumerate(points)
    ]
    return picture(title, grid_below(across, HEIGHT, number, "diversity"), grid_beside(up, number), *marks)
