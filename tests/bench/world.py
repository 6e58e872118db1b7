"""A made-up world for measurements: videos in clusters, and people who each watch two clusters most.

Popularity falls as 1 / rank inside each cluster. All of it are guesses about shape, and the same every time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoders.fusion.fusion import VERSION
from ranker.catalogue.entry import Entry
from schemas.messages.feedback import Feedback, Like, Skip, Watch
from schemas.messages.videos import Encoded, Vector

DIM = 256
CLUSTERS = 50
SCATTER = 1.0  # length of what is added to a cluster's direction; two videos of one have a cosine of about 0.5
TRUE_TO_TASTE = 0.7
SKIPS, LIKES = 0.2, 0.1  # of events; the rest are watches
DURATION_MS = 21_000
HOUR_MS = 3_600_000


@dataclass(frozen=True)
class World:
    """How many videos and people; with `zipf` the person of rank r acts 1 / r as often as the first."""

    videos: int
    people: int
    zipf: bool = True
    seed: int = 0

    def events(self, count: int, name: str, now_ms: Callable[[], int]) -> Iterator[Feedback]:
        """So many events with ids `name-<number>`; all is drawn at once, an event is made when it is asked for."""
        chance = np.random.default_rng((self.seed, 2, count))
        who = _ranks(chance, self.people, count) if self.zipf else chance.integers(0, self.people, count)
        tastes = np.random.default_rng((self.seed, 3)).integers(0, CLUSTERS, (self.people, 2))
        liked = tastes[who, chance.integers(0, 2, count)]
        cluster = np.where(chance.random(count) < TRUE_TO_TASTE, liked, chance.integers(0, CLUSTERS, count))
        video = _ranks(chance, self.videos // CLUSTERS, count) * CLUSTERS + cluster
        rows = zip(who.tolist(), video.tolist(), chance.random((count, 2)).tolist(), strict=True)
        return (_event(f"{name}-{n}", now_ms(), *row) for n, row in enumerate(rows))

    def vectors(self) -> NDArray[np.float32]:
        """Unit vectors [videos, 256]; video v lies in cluster v modulo CLUSTERS."""
        chance = np.random.default_rng((self.seed, 1))
        centres = chance.standard_normal((CLUSTERS, DIM), np.float32) / np.float32(DIM**0.5)
        rows = chance.standard_normal((self.videos, DIM), np.float32) * np.float32(SCATTER / DIM**0.5)
        rows += centres[np.arange(self.videos) % CLUSTERS]
        unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit

    def entries(self, now_ms: int) -> Iterator[Entry]:
        """Its videos as the catalogue takes them in, one uploaded every second before now."""
        for number, vector in enumerate(self.vectors()):
            facts = facts_of_video(number, self.videos, now_ms)
            yield Entry(vector=vector, **{**facts, "tags": tuple(facts["tags"])})

    def encoded(self, now_ms: int) -> Iterator[Encoded]:
        """Its videos as records of features.v1."""
        for number, vector in enumerate(self.vectors()):
            retrieval = Vector(DIM, VERSION, vector.astype("<f4").tobytes())
            yield Encoded(vectors={"retrieval": retrieval}, **facts_of_video(number, self.videos, now_ms))


def _ranks(chance: np.random.Generator, size: int, count: int) -> NDArray[np.int64]:
    """Draws of 0 to size − 1, rank r (from 1) with a chance of 1 / r beside the first."""
    edges = np.cumsum(1 / np.arange(1, size + 1))
    drawn: NDArray[np.int64] = np.searchsorted(edges, chance.random(count) * edges[-1])
    return drawn


def facts_of_video(number: int, videos: int, now_ms: int) -> dict[str, Any]:
    """What is known of a video but its embedding."""
    cluster = number % CLUSTERS
    return {
        "video_id": f"v{number:06}",
        "at_ms": now_ms - HOUR_MS - 1000 * (videos - number),
        "creator_id": f"c{cluster}-{number // CLUSTERS % 20}",
        "category": f"kind-{cluster}",
        "language": "en",
        "tags": [f"tag-{cluster}"],
        "duration_ms": DURATION_MS,
    }


def _event(event_id: str, at_ms: int, who: int, video: int, chances: list[float]) -> Feedback:
    kind, share = chances
    common: dict[str, Any] = {
        "user_id": f"p{who:06}",
        "video_id": f"v{video:06}",
        "at_ms": at_ms,
        "event_id": event_id,
        "surface": "feed",
        "duration_ms": DURATION_MS,
    }
    if kind < LIKES:
        return Like(**common)
    watched_ms = round(share * DURATION_MS)
    if kind < LIKES + SKIPS:
        return Skip(**common, watched_ms=watched_ms // 10)
    return Watch(**common, watched_ms=watched_ms)
