"""What weights.v1 holds, beside what the same events teach when each is learned once."""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

from ranker.learning.fields import FIELD_NAMES
from ranker.learning.parameters import Parameters
from ranker.learning.publication import Subscription
from ranker.profile.example import Example
from schemas.settings.model import Settings
from schemas.topics import WEIGHTS
from streams.ranking.published_parameters import PublishedParameters
from tests.chaos.topics import read_all
from tests.support.learning import totals

VIDEO = FIELD_NAMES.index("video")


def learned_of(settings: Settings) -> Parameters:
    """The parameters as whoever reads all of weights.v1 has them."""
    published = PublishedParameters(Subscription(Parameters()))
    read_all(settings, WEIGHTS, lambda record: published.apply([record]))
    return published.subscription.parameters


def learned_figures(settings: Settings, examples: Collection[Example], withdrawn: Collection[str]) -> dict[str, Any]:
    """Outcomes that are not learned, and those that are learned twice; and videos whose rows are of another time.

    withdrawn  videos of which nothing need be there any more
    """
    found, wanted = learned_of(settings), totals(examples)
    missing = [int(want - has) for want, has in zip(wanted, found.totals.tolist(), strict=True)]
    shown = exposures(one for one in examples if one.video_id not in withdrawn)
    rows = {video_id: found.row(VIDEO, video_id) for video_id in shown}
    return {
        "learned": int(found.totals[0]),
        "EXAMPLES_LOST": sum(max(0, one) for one in missing),
        "EXAMPLES_DOUBLE": sum(max(0, -one) for one in missing),
        "EXAMPLES_TORN": sum(int(found.counts[rows[video_id], 0]) != count for video_id, count in shown.items()),
    }


def exposures(examples: Iterable[Example]) -> Counter[str]:
    """How often each video was met."""
    return Counter(one.video_id for one in examples if one.is_first)
