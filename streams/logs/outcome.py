"""What a replay did, and why an event has no slate."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from streams.logs.faults import Faults
from streams.logs.times import Times

NO_VIDEO = "no_video"  # none is known: not uploaded by the tick before, or withdrawn
NOTHING_TO_SHOW = "nothing_to_show"  # every video that is known is limited, skipped or hidden
REPEAT = "repeat"
NOT_CHOSEN = "not_chosen"  # applied, and not asked for
SHOWN = 5  # people whom a notice names


@dataclass
class Outcome:
    """The counts of a replay; the digests cover every slate that was asked for, and every profile."""

    events: int = 0
    uploads: int = 0
    erasures: int = 0
    slates: int = 0
    repeats: int = 0
    dead_letters: int = 0
    faults: Faults = field(default_factory=Faults)  # lines that cannot be used; they are no events
    without_slate: Counter[str] = field(default_factory=Counter)  # events by the reason
    times: Times = field(default_factory=Times)
    unmet: set[str] = field(default_factory=set)  # whose slates were asked for, while no event of theirs was chosen
    state_digest: str = ""
    slate_digest: str = ""

    def refuse(self, repeats: int, reasons: Iterable[str]) -> None:
        """Count what changed no profile."""
        self.without_slate.update([REPEAT] * repeats)
        for reason in reasons:
            self.dead_letters += 1
            self.without_slate[reason] += 1

    def show_nothing(self, events: int, videos: int) -> None:
        """Count events that changed a profile and have no slate; so many videos are known."""
        if events:
            self.without_slate[NOTHING_TO_SHOW if videos else NO_VIDEO] += events

    def figures(self) -> Mapping[str, object]:
        """As the command prints it; events = slates + those without a slate."""
        return {
            "events": self.events,
            "uploads": self.uploads,
            "erasures": self.erasures,
            "slates": self.slates,
            "without_slate": dict(sorted(self.without_slate.items())),
            "repeats": self.repeats,
            "dead_letters": self.dead_letters,
            "back_in_time": self.times.backwards,
            "first_back_in_time": self.times.first_backwards or None,
            "state_digest": self.state_digest,
            "slate_digest": self.slate_digest or None,
        }

    def notices(self) -> Iterator[str]:
        """What whoever reads the figures should know."""
        if notice := self.times.notice():
            yield notice
        if self.without_slate[NO_VIDEO] and not self.uploads:
            yield "the log holds no upload that can be used, so there is no video to show"
        if self.unmet:
            yield f"no event was chosen of {listed(self.unmet)}: the log has none, or none in the chosen time"
        if self.slate_digest and self.without_slate[NOT_CHOSEN]:
            yield f"slate_digest covers the slates that were chosen alone; {self.without_slate[NOT_CHOSEN]} were not"


def listed(people: Iterable[str]) -> str:
    """The first of some people in the order of their ids, and how many more there are.

    >>> listed({"ben", "ana"}), listed(f"u{n}" for n in range(9))
    ('ana, ben', 'u0, u1, u2, u3, u4 and 4 more')
    """
    named = sorted(people)
    more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
    return ", ".join(named[:SHOWN]) + more
