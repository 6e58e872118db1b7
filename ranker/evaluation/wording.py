"""How figures are written for people: numbers, intervals and lists of names."""

from collections.abc import Sequence
from math import isfinite

from ranker.evaluation.bootstrap import Estimate

NONE = "–"


def number(value: float) -> str:
    """A figure with three decimals, four where it is small.

    >>> number(0.7421), number(-0.00316), number(float("nan"))
    ('0.742', '−0.0032', '–')
    """
    if not isfinite(value):
        return NONE
    return f"{value:.{4 if 0 < abs(value) < 0.01 else 3}f}".replace("-", "−")


def percent(share: float) -> str:
    """A share in percent.

    >>> percent(0.3219)
    '32.2 %'
    """
    return f"{100 * share:.1f} %" if isfinite(share) else NONE


def interval(estimate: Estimate) -> str:
    """The ends of an interval; nothing where there is none.

    >>> interval(Estimate(0.5, 0.4, 0.6))
    '0.400 to 0.600'
    """
    return f"{number(estimate.low)} to {number(estimate.high)}" if isfinite(estimate.low) else ""


def with_interval(estimate: Estimate) -> str:
    """A figure and its interval.

    >>> with_interval(Estimate(0.5, 0.4, 0.6)), with_interval(Estimate(0.5))
    ('0.500 (0.400 to 0.600)', '0.500')
    """
    ends = interval(estimate)
    return f"{number(estimate.value)} ({ends})" if ends else number(estimate.value)


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
