"""Which events of a log are answered, or compared: by their time, and by whose they are."""

from dataclasses import dataclass
from hashlib import blake2b
from math import inf
from zlib import crc32


@dataclass(frozen=True)
class Chosen:
    """Which slates count.

    from_ms  event time from which on
    share    of the people, by a hash of their ids: the same people in every run
    to_ms    event time before which
    people   none but these; empty: all
    """

    from_ms: int = 0
    share: float = 1.0
    to_ms: float = inf
    people: frozenset[str] = frozenset()

    def __call__(self, user_id: str, at_ms: int) -> bool:
        """Whether the slate of a person after an event counts."""
        if not self.from_ms <= at_ms < self.to_ms or (self.people and user_id not in self.people):
            return False
        return self.share >= 1 or is_sampled(user_id, self.share)


def is_sampled(user_id: str, share: float) -> bool:
    """Whether a person is among this share of all.

    >>> is_sampled("ana", 1.0), sum(is_sampled(f"u{n}", 0.25) for n in range(1000))
    (True, 247)
    """
    return int.from_bytes(blake2b(user_id.encode(), digest_size=8).digest()) < share * 2**64


@dataclass(frozen=True)
class Part:
    """The people of one of several processes."""

    number: int = 0  # from 0
    of: int = 1

    def __contains__(self, user_id: str) -> bool:
        return self.of == 1 or crc32(user_id.encode("utf-8", "surrogatepass")) % self.of == self.number


EVERYBODY = Part()
