"""Makers of catalogues: a kitchen and a garden, two kinds of videos that a ranker can tell apart."""

from collections.abc import Sequence

import msgspec
import numpy as np

from ranker.catalogue.catalogue import Catalogue
from ranker.catalogue.popularity import TrendCounts, merge
from ranker.feeds import home
from ranker.feeds.feed import FeedContext
from ranker.pipeline.pipeline import SIZE, Clock, Pipeline, no_clock
from ranker.pipeline.types import Slate
from ranker.retrieval.exact import ExactIndex
from ranker.retrieval.index import VideoIndex
from schemas.messages.videos import CatalogueRecord
from schemas.settings.load import load
from tests.support.events import NOON, encoded

HOUR_MS = 3_600_000
LATER = NOON + HOUR_MS


def kitchen_and_garden(count: int = 60) -> list[CatalogueRecord]:
    """Two kinds of videos that point two ways, each with some scatter; four videos a creator."""
    rng = np.random.default_rng(0)
    videos: list[CatalogueRecord] = []
    for kind, axis in (("cook", 0), ("plant", 1)):
        for i in range(count):
            vector = rng.standard_normal(256) * 0.05
            vector[axis] += 1
            name = f"{kind}-{i:02}"
            creator = f"by-{kind}-{i // 4}"
            videos.append(
                encoded(name, NOON - i * HOUR_MS, vector=vector.tolist(), creator_id=creator, tags=[kind, f"no{i}"])
            )
    return videos


def catalogue_of(*records: CatalogueRecord, watched_by_many: Sequence[str] = (), now_ms: int = LATER) -> Catalogue:
    catalogue = Catalogue()
    catalogue.apply(records)
    counts = TrendCounts()
    for video_id in watched_by_many:
        for _ in range(50):
            counts.add(video_id, now_ms)
    catalogue.advance(now_ms, merge([counts]))
    return catalogue


def context_of(
    catalogue: Catalogue, index: VideoIndex | None = None, *, size: int = SIZE, clock: Clock = no_clock
) -> FeedContext:
    return FeedContext(
        catalogue, index or ExactIndex(catalogue), load({"slate_size": size}, {}, None).settings, clock=clock
    )


def home_feed(
    catalogue: Catalogue, index: VideoIndex | None = None, *, size: int = SIZE, clock: Clock = no_clock
) -> Pipeline:
    return home.build(context_of(catalogue, index, size=size, clock=clock))


def ids(slate: Slate) -> list[str]:
    return [item.video_id for item in slate.items]


def digest(slate: Slate) -> bytes:
    return msgspec.json.encode((slate.user_id, slate.items, slate.dropped, slate.degraded, slate.exhausted))
