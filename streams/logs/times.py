"""The event times of a log, line by line: where they begin and end, and where they go back."""

from collections.abc import Mapping

from streams.logs.jsonl import Line

TICK_MS = 1000  # of event time, at which shared state advances


class Times:
    """Looks at each line that can be used."""

    def __init__(self) -> None:
        self.first_ms: int | None = None  # the earliest
        self.last_ms: int | None = None  # the latest so far
        self.backwards = 0  # lines that lie a tick or more before the latest line before them
        self.first_backwards = 0  # number of the first of them
        self.most_ms = 0  # how far the furthest of them goes back

    def add(self, line: Line) -> None:
        """Take in the next line."""
        at_ms = line.at_ms
        if self.first_ms is None or at_ms < self.first_ms:
            self.first_ms = at_ms
        if self.last_ms is None or at_ms > self.last_ms:
            self.last_ms = at_ms
        elif self.last_ms // TICK_MS > at_ms // TICK_MS:
            self.backwards += 1
            self.first_backwards = self.first_backwards or line.number
            self.most_ms = max(self.most_ms, self.last_ms - at_ms)

    def figures(self) -> Mapping[str, int | None]:
        """As a command prints it in JSON."""
        first = self.first_backwards or None
        return {
            "first_ms": self.first_ms,
            "last_ms": self.last_ms,
            "back_in_time": self.backwards,
            "first_back_in_time": first,
        }

    def notice(self) -> str:
        """A sentence where the log goes back in time; else empty."""
        if not self.backwards:
            return ""
        return (
            f"the log goes back in time: first at line {self.first_backwards}, in {self.backwards} lines, by "
            f"{self.most_ms / TICK_MS:.0f} s at most; an upload is known from the tick after the latest time before it"
        )
