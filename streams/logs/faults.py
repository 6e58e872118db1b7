"""Lines that cannot be used, counted; the first of them in full, so that a wrong file fills no screen and no memory."""

from collections import Counter

from streams.logs.jsonl import Fault

SHOWN = 20


class Faults:
    """What is known of the lines that could not be used.

    shown  how many are shown in full; None: all
    keep   keep those in `first`; otherwise whoever adds one shows it
    """

    def __init__(self, shown: int | None = SHOWN, *, keep: bool = True) -> None:
        self.first: list[Fault] = []
        self.reasons: Counter[str] = Counter()
        self._shown, self._keep = shown, keep
        self._not_shown: Counter[str] = Counter()

    def __len__(self) -> int:
        return self.reasons.total()

    def add(self, fault: Fault) -> bool:
        """Count a fault; whether it is one of the first, which are shown."""
        self.reasons[fault.reason.value] += 1
        if self._shown is not None and len(self) > self._shown:
            self._not_shown[fault.reason.value] += 1
            return False
        if self._keep:
            self.first.append(fault)
        return True

    def rest(self) -> str:
        """A line about those that are not shown; empty where all are."""
        left = self._not_shown
        if not left:
            return ""
        return f"and {left.total()} more: " + ", ".join(f"{count} {reason}" for reason, count in left.most_common())
