"""A gate: what an evaluation has to show, as a TOML file says it.

    [finish]
    auc = { at_least = 0.74 }
    ece = { at_most = 0.01 }

    [finish.against."item rate"]
    auc = "better"
    gauc = "not worse"

"better" asks that the interval of the difference excludes 0 on the right side, "not worse" that it does not exclude it
on the wrong one. What has no figure fails.
"""

import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from math import isfinite
from typing import Any, NamedTuple

from ranker.evaluation.figures import FIGURE_OF, verdict_on
from ranker.evaluation.result import Evaluation
from ranker.evaluation.wording import listed, with_interval
from ranker.profile.outcomes import HEADS

BOUNDS = ("at_least", "at_most")
WANTED = {"better": ("better",), "not worse": ("better", "undecided")}


class GateError(ValueError):
    """A gate that cannot be used; the message names the key and what it may be."""


class Bound(NamedTuple):
    """What one of our figures may be at least, or at most."""

    head: str
    figure: str
    side: str  # of BOUNDS
    value: float


class Comparison(NamedTuple):
    """What one of our figures has to be against that of a baseline."""

    head: str
    figure: str
    baseline: str
    wanted: str  # of WANTED


Rule = Bound | Comparison


def read_gate(text: str) -> tuple[Rule, ...]:
    """The rules of a gate's TOML text, in its order; GateError where it is malformed."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise GateError(f"The gate is not TOML: {error}.") from error
    rules = tuple(rule for head, table in tables.items() for rule in _of_head(head, table))
    if not rules:
        raise GateError("The gate has no rule, so everything would pass; write one, such as auc = { at_least = 0.7 }.")
    return rules


def failures(gate: tuple[Rule, ...], evaluation: Evaluation) -> list[str]:
    """A sentence for each rule that the evaluation does not fulfil; an empty list where it passes."""
    found = [_exceeded(rule, evaluation) if isinstance(rule, Bound) else _lost(rule, evaluation) for rule in gate]
    return [sentence for sentence in found if sentence]


def _of_head(head: str, table: Any) -> Iterator[Rule]:
    _check_key(head, head, HEADS)
    for key, value in _table(head, table).items():
        if key == "against":
            for baseline, inner in _table(f"{head}.against", value).items():
                yield from _comparisons(head, baseline, inner)
        else:
            yield from _bounds(head, key, value)


def _bounds(head: str, figure: str, value: Any) -> Iterator[Bound]:
    path = f"{head}.{figure}"
    _check_key(path, figure, (*FIGURE_OF, "against"))
    bounds = _table(path, value)
    if not bounds:
        raise GateError(f"{path} is empty; write {listed([f'{side} = 0.7' for side in BOUNDS])} or one of them.")
    for side, bound in bounds.items():
        _check_key(f"{path}.{side}", side, BOUNDS)
        if type(bound) not in (int, float) or not isfinite(bound):
            raise GateError(f"{path}.{side} has value {bound!r}; a finite number is needed.")
        yield Bound(head, figure, side, float(bound))


def _comparisons(head: str, baseline: str, table: Any) -> Iterator[Comparison]:
    path = f'{head}.against."{baseline}"'
    for figure, wanted in _table(path, table).items():
        _check_key(f"{path}.{figure}", figure, tuple(FIGURE_OF))
        if not isinstance(wanted, str) or wanted not in WANTED:
            choices = " or ".join(f'"{one}"' for one in WANTED)
            raise GateError(f"{path}.{figure} has value {wanted!r}; {choices} is needed.")
        yield Comparison(head, figure, baseline, wanted)


def _table(path: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise GateError(f"{path} has value {value!r}; a table is needed.")
    return value


def _check_key(path: str, key: str, known: tuple[str, ...]) -> None:
    if key not in known:
        near = get_close_matches(key, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"it may be {', '.join(known)}."
        raise GateError(f"{path} is not known; {hint}")


def _exceeded(rule: Bound, evaluation: Evaluation) -> str:
    found, title = evaluation.heads[rule.head].figures[rule.figure], FIGURE_OF[rule.figure].title
    asked = f"{rule.side.replace('_', ' ')} {rule.value:g} is asked"
    if not isfinite(found.value):
        return f"{rule.head}: there is no {title}; {asked}."
    passes = found.value >= rule.value if rule.side == "at_least" else found.value <= rule.value
    return "" if passes else f"{rule.head}: {title} is {found.value:.6g}; {asked}."


def _lost(rule: Comparison, evaluation: Evaluation) -> str:
    title = FIGURE_OF[rule.figure].title
    if rule.baseline not in evaluation.differences:
        known = listed(list(evaluation.differences) or ["none"])
        return f'{rule.head}: no baseline is called "{rule.baseline}", so {title} cannot be compared; there is {known}.'
    difference = evaluation.differences[rule.baseline][rule.head][rule.figure]
    if not isfinite(difference.low):
        return f"{rule.head}: {title} cannot be compared with that of {rule.baseline}; the difference has no interval."
    if verdict_on(FIGURE_OF[rule.figure], difference) in WANTED[rule.wanted]:
        return ""
    asked = "is not better than" if rule.wanted == "better" else "is worse than"
    return f"{rule.head}: {title} {asked} that of {rule.baseline}; the difference is {with_interval(difference)}."
