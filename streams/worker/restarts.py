"""When a worker that ended is started again: at once, then more and more slowly; and when that is of no use."""

from collections import Counter

FIRST_DELAY_S, LONGEST_DELAY_S = 1.0, 30.0
STEADY_S = 60.0  # after so long of work the delays begin at their shortest again
AT_ONCE_S = 10.0  # a worker that ends sooner than this after its start,
MOST_AT_ONCE = 5  # and so many times in a row, would for ever
NEEDS_A_PERSON = 2  # exit status of a setting or a model that cannot be used: no start changes that


class Restarts:
    """Delays by name, for `freshet up`."""

    def __init__(self) -> None:
        self._ends: Counter[str] = Counter()
        self._at_once: Counter[str] = Counter()

    def delay_s(self, name: str, status: int, ran_s: float) -> float | None:
        """Seconds until it is started again, or None where it is given up.

        >>> some = Restarts()
        >>> [some.delay_s("ranker", 1, ran_s) for ran_s in (20, 20, 20, 3600)], some.delay_s("ranker", 2, 20)
        ([1.0, 2.0, 4.0, 1.0], None)
        """
        self._ends[name] = 1 if ran_s >= STEADY_S else self._ends[name] + 1
        self._at_once[name] = self._at_once[name] + 1 if ran_s < AT_ONCE_S else 0
        if status == NEEDS_A_PERSON or self._at_once[name] >= MOST_AT_ONCE:
            return None
        return float(min(FIRST_DELAY_S * 2 ** (self._ends[name] - 1), LONGEST_DELAY_S))
