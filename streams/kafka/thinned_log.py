"""Log lines that come again and again, cut down: the first of a kind, and then how many there were."""

import logging
import re
import time
from collections import OrderedDict
from dataclasses import dataclass

INTERVAL_S = 60.0  # between two lines of a kind
KINDS = 200  # that are remembered; the one that came longest ago is forgotten first

_NUMBERS = re.compile(r"\d+")  # ports, milliseconds, counters, numbers of clients
_CLIENT = re.compile(
    r"\[\S+#(?:consumer|producer)-\d+\] \[thrd:[^\]]*\]: (?:\S+/\S+: )?"
)  # which of a process's it was


@dataclass
class Repeats:
    """A kind of line: when it was last let through, and how many were kept back since."""

    shown_s: float
    kept_back: int = 0


class Thinned(logging.Filter):
    """Lets a kind of line through once a minute at most, whichever client it comes from, with the number of the others.

    Lines that differ in numbers alone are of one kind. A client that has lost its broker logs several lines a second.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kinds: OrderedDict[tuple[int, str], Repeats] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this line is written; it may get a remark."""
        text, now_s = record.getMessage(), time.monotonic()
        kind = record.levelno, _NUMBERS.sub("#", _CLIENT.sub("", text))
        known = self._kinds.get(kind)
        self._kinds.setdefault(kind, Repeats(now_s))
        self._kinds.move_to_end(kind)
        while len(self._kinds) > KINDS:
            self._kinds.popitem(last=False)
        if known is None:
            return True
        if now_s - known.shown_s < INTERVAL_S:
            known.kept_back += 1
            return False
        if known.kept_back:
            record.msg, record.args = f"{text} ({known.kept_back} more such lines in {now_s - known.shown_s:.0f} s)", ()
        known.shown_s, known.kept_back = now_s, 0
        return True
