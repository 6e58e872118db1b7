"""The example that the laws are tried on: a catalogue with all kinds of videos, people with all kinds of history."""

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from ranker.catalogue.catalogue import Catalogue
from ranker.catalogue.entry import FOR_GOOD, Entry
from ranker.catalogue.popularity import PERIOD_S, Popularity
from ranker.feeds.feed import FeedContext
from ranker.learning.learner import Learner
from ranker.learning.parameters import Learned, Parameters
from ranker.pipeline.types import Query
from ranker.profile.counters import NOTHING
from ranker.profile.example import Example
from ranker.profile.history import HiddenItem, Interaction, Interactions
from ranker.profile.model import EMPTY, SEEN_BYTES, Profile, video_code
from ranker.profile.outcomes import FINISHED
from ranker.retrieval.exact import ExactIndex
from ranker.retrieval.index import VideoIndex
from schemas.messages.fields import DAY_MS
from schemas.settings.load import load

NOW_MS = 1_650_000_000_000  # event time of the queries
HOUR_MS = DAY_MS // 24
VIDEOS, PEOPLE = 240, 24
TOPICS = ("food", "travel", "music")
LANGUAGES = ("en", "ja", None)


def example_context(index: VideoIndex | None = None, catalogue: Catalogue | None = None) -> FeedContext:
    """The context of a feed over the example's catalogue, by default with the exact index, and default settings."""
    catalogue = example_catalogue() if catalogue is None else catalogue
    settings, learned = load({}, {}, None).settings, Learned(example_parameters())
    return FeedContext(catalogue, index or ExactIndex(catalogue), settings, learned=learned)


def example_parameters() -> Parameters:
    """What a learner has learned of some exposures: every third video was finished by some, of late."""
    parameters = Parameters()
    learner = Learner(parameters, {})
    for number in range(0, VIDEOS, 3):
        example = Example(number, f"v{number:03}", NOW_MS - DAY_MS + number, FINISHED, True, "", NOTHING)
        list(learner.take(f"somebody-{number}", example))
    list(learner.close())
    return parameters


def example_catalogue(holds_vectors: bool = True) -> Catalogue:
    """Three topics of videos; some lack a vector, a creator or a language, are limited, popular, or withdrawn."""
    rng = np.random.default_rng(0)
    catalogue = Catalogue(holds_vectors=holds_vectors)
    catalogue.add(_entry(number, rng) for number in range(VIDEOS))
    watched = [f"v{number:03}" for number in range(0, VIDEOS, 7)]
    counts = np.arange(1, len(watched) + 1)
    tick = NOW_MS // 1000
    catalogue.advance(NOW_MS, Popularity(tick, tick // PERIOD_S, watched, 256 * counts.astype(np.float64), counts))
    catalogue.drop(f"v{number:03}" for number in range(5, VIDEOS, 40))
    return catalogue


def example_queries() -> list[Query]:
    """People who watched, liked, skipped, followed and hid videos, one who did nothing, and one who is a creator."""
    rng = np.random.default_rng(1)
    names = ["creator-03", *(f"person-{number:02}" for number in range(1, PEOPLE))]
    profiles = [EMPTY, *(_profile(rng, version) for version in range(1, PEOPLE))]
    return [
        Query(name, profile.version, NOW_MS, profile, seed=7) for name, profile in zip(names, profiles, strict=True)
    ]


def _entry(number: int, rng: np.random.Generator) -> Entry:
    topic = number % len(TOPICS)
    vector = rng.standard_normal(256).astype(np.float32) * np.float32(0.05)
    vector[topic] += 1
    return Entry(
        video_id=f"v{number:03}",
        at_ms=NOW_MS - number * HOUR_MS,
        vector=None if number % 10 == 9 else vector,
        creator_id=None if number % 15 == 14 else f"creator-{number // 6:02}",
        category=TOPICS[topic],
        language=LANGUAGES[number // 3 % len(LANGUAGES)],
        tags=(TOPICS[topic], f"tag-{number % 8}"),
        duration_ms=None if number % 11 == 10 else 5_000 + 1_000 * (number % 60),
        restricted_until_ms={3: FOR_GOOD, 13: NOW_MS - HOUR_MS}.get(number % 23, 0),
    )


def _profile(rng: np.random.Generator, version: int) -> Profile:
    """A history of up to 40 videos; some were withdrawn or never uploaded, and some are no longer among the seen."""
    numbers = rng.permutation(VIDEOS + 10)[: 4 + version % 10 * 4]
    watches, likes, skips, follows = np.array_split(numbers, [len(numbers) // 2, len(numbers) * 3 // 4, -1])
    first = f"v{numbers[0]:03}"
    return replace(
        EMPTY,
        version=version,
        newest_ms=NOW_MS,
        watches=_interactions(watches, rng),
        likes=_interactions(likes, rng),
        skips=_interactions(skips, rng),
        follows=_interactions(follows, rng),
        hides=(HiddenItem(first, NOW_MS, ("video", "creator", "tag")[version % 3]),) if version % 4 == 0 else (),
        seen=b"".join(video_code(f"v{number:03}").to_bytes(SEEN_BYTES, "little") for number in numbers if number % 5),
    )


def _interactions(numbers: NDArray[np.int64], rng: np.random.Generator) -> Interactions:
    times = np.sort(NOW_MS - rng.integers(0, 5 * DAY_MS, len(numbers))).tolist()
    weights = rng.integers(20, 101, len(numbers)).tolist()
    return tuple(
        Interaction(f"v{number:03}", at_ms, weight)
        for number, at_ms, weight in zip(numbers.tolist(), times, weights, strict=True)
    )
