"""Whether an example can be one: whoever learns from another one might learn what is no number."""

from ranker.profile.counters import SURFACES, Counters
from ranker.profile.example import Example, Examples
from ranker.profile.outcomes import LABELS
from schemas.messages.fields import YEAR_2100_MS

MOST = 2**53  # of a place: what a float64 tells apart
MOST_COUNTED, MOST_RATE = 2**40, 1e6


def check_sound(found: Examples) -> None:
    """Raise ValueError where no profiles agent can have made one of them."""
    if not 0 <= found.partition < MOST:
        raise ValueError(f"there is no partition {found.partition}")
    for one in found.examples:
        if not _is_sound(one):
            raise ValueError(f"the example of place {one.place} holds numbers that nothing can have come to")


def _is_sound(one: Example) -> bool:
    in_range = 0 <= one.place < MOST and 0 <= one.at_ms <= YEAR_2100_MS and 0 <= one.labels <= LABELS
    return in_range and _are_sound(one.counters)


def _are_sound(counters: Counters) -> bool:
    if not (
        0 <= counters.finish_rate <= MOST_RATE
        and 0 <= counters.like_rate <= MOST_RATE
        and 0 <= counters.skip_rate <= MOST_RATE
        and 0 <= counters.at_ms <= YEAR_2100_MS
        and len(counters.surfaces) <= SURFACES
    ):
        return False
    for one in counters.surfaces:
        if not (
            0 <= one.exposures < MOST_COUNTED
            and 0 <= one.finished < MOST_COUNTED
            and 0 <= one.liked < MOST_COUNTED
            and 0 <= one.skipped < MOST_COUNTED
        ):
            return False
    return True
