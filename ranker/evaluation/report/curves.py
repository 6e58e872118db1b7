"""The picture of the learning curve: AUC day by day."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite

from ranker.evaluation.report.charts import HIGH, LOW
from ranker.evaluation.report.svg import (
    LEFT,
    RIGHT,
    STYLES,
    WIDTH,
    Axis,
    axis_over,
    element,
    grid_beside,
    line,
    marker,
    picture,
    round_step,
    text,
)
from ranker.evaluation.result import Day
from ranker.evaluation.wording import number, with_interval
from schemas.messages.fields import DAY_MS

EDGE = 8  # room on both sides, so that marks are whole


def days_chart(title: str, curves: Mapping[str, Sequence[Day]]) -> str:
    """The AUC of each day by model, the interval of ours as a band, and a line where the test days begin."""
    every = [day for curve in curves.values() for day in curve if isfinite(day.auc.value)]
    first_ms = min((day.start_ms for day in every if not day.is_training), default=0)
    numbers = [(day.start_ms - first_ms) // DAY_MS for day in every]
    across = Axis(min(numbers, default=0), max(1, *numbers, 1), LEFT + EDGE, WIDTH - RIGHT - EDGE)
    up = axis_over([end for day in every for end in day.auc if isfinite(end)], LOW, HIGH)
    drawn = [_dates(across, first_ms), grid_beside(up, number)]
    if any(day.is_training for day in every):
        drawn.append(_split(across))
    for model, (name, curve) in reversed(list(enumerate(curves.items()))):  # ours last, above the others
        days = [day for day in curve if isfinite(day.auc.value)]
        places = [(across.place((day.start_ms - first_ms) // DAY_MS), up.place(day.auc.value)) for day in days]
        drawn += [_band(days, places, up, model), _path(places, model)]
        drawn += [
            marker(model, x, y, f"{name}, {_date(day.start_ms)}: {with_interval(day.auc)}", size=2.5)
            for day, (x, y) in zip(days, places, strict=True)
        ]
    return picture(title, *drawn)


def _band(days: Sequence[Day], places: Sequence[tuple[float, float]], up: Axis, model: int) -> str:
    known = [(x, day.auc) for day, (x, _) in zip(days, places, strict=True) if isfinite(day.auc.low)]
    if not known:
        return ""
    upper = [f"{x:.1f},{up.place(auc.high):.1f}" for x, auc in known]
    lower = [f"{x:.1f},{up.place(auc.low):.1f}" for x, auc in reversed(known)]
    return element("polygon", class_=f"band s{model % STYLES}", points=" ".join(upper + lower))


def _path(places: Sequence[tuple[float, float]], model: int) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return element("polyline", class_=f"curve s{model % STYLES}", points=points) if places else ""


def _dates(across: Axis, first_ms: int) -> str:
    """A date below every so many days, counted from the first test day."""
    step = max(1, int(round_step((across.high - across.low) / 5)))
    days = [day for day in range(int(across.low), int(across.high) + 1) if day % step == 0]
    labels = [text(_date(first_ms + day * DAY_MS), across.place(day), LOW + 15) for day in days]
    lines = [line(across.place(day), HIGH, across.place(day), LOW, "grid") for day in days]
    title = text("day (UTC)", (LEFT + WIDTH - RIGHT) / 2, LOW + 34, "axis")
    return "".join([*lines, *labels, title])


def _split(across: Axis) -> str:
    x = across.place(-0.5)
    return line(x, HIGH, x, LOW, "guide") + text("test days", x + 4, HIGH + 10, "tick faint", "start")


def _date(at_ms: int) -> str:
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return f"{at.day} {at:%b}"
