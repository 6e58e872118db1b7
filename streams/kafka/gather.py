"""How long records may gather before the next fetch: no longer than a poll's fixed cost is worth.

A poll costs much however few records it brings: requests to the broker, its acknowledgements, turns of the event loop.
Polls that follow each other at once would spend the machine on that. So the time between two fetches grows with what
polls cost at present, which on a busy machine is more: then each brings more records. One that comes after a silence
is fetched at once. (Nagle's idea, with a measured bound: RFC 896; Clipper sizes its batches by what they cost, too:
Crankshaw et al., NSDI 2017.)
"""

LEAST_S, LONGEST_S = 0.005, 0.015  # between two fetches
FIXED_SHARE = 0.4  # of the time, at most, that the fixed cost of polls takes, within these limits
WORTH = 4.0  # records that have to be expected, or a longer wait delays them and spares little
KEPT = 0.97  # weight of what is known at each further poll: some thirty of them count
WAITED_S = 0.1  # what took longer waited for something else, and counts for no more
CAUTION = 1.0  # records², against a slope out of sizes that hardly differ


class Gather:
    """The least time between two fetches, from the sizes of the last polls and the seconds that they took."""

    def __init__(self) -> None:
        self._weight = self._records = self._spent_s = self._squares = self._products = self._since_s = 0.0

    def observe(self, records: int, spent_s: float, since_s: float) -> None:
        """Take what a poll of so many records cost, from its fetch until it was done.

        since_s  seconds since the fetch before
        """
        spent_s = min(spent_s, WAITED_S)
        self._weight = KEPT * self._weight + 1
        self._records = KEPT * self._records + records
        self._spent_s = KEPT * self._spent_s + spent_s
        self._squares = KEPT * self._squares + records * records
        self._products = KEPT * self._products + records * spent_s
        self._since_s = KEPT * self._since_s + min(since_s, WAITED_S)

    @property
    def fixed_s(self) -> float:
        """The seconds that a poll takes beside its records: where a line through the last polls begins."""
        if not self._weight:
            return 0.0
        records, spent_s = self._records / self._weight, self._spent_s / self._weight
        spread = self._squares / self._weight - records * records
        slope = (self._products / self._weight - records * spent_s) / (spread + CAUTION)
        return max(spent_s - max(slope, 0.0) * records, 0.0)

    @property
    def interval_s(self) -> float:
        """The least time between two fetches, in seconds."""
        wanted_s = min(max(self.fixed_s / FIXED_SHARE, LEAST_S), LONGEST_S)
        return wanted_s if self._records * wanted_s >= WORTH * self._since_s else LEAST_S
