"""Laws of whole feeds: what the slates of a feed have to fulfil, whatever its stages are."""

import asyncio
from collections.abc import Sequence

import msgspec
import numpy as np

from ranker.catalogue.arrays import Vectors
from ranker.catalogue.catalogue import Catalogue
from ranker.feeds.feed import FeedContext
from ranker.pipeline.merge import FILL, RESHOW_SEEN
from ranker.pipeline.pipeline import Pipeline
from ranker.pipeline.types import Slate
from ranker.profile.model import seen_codes
from ranker.retrieval.index import Hits, IndexedVideo, IndexUnavailable, SearchFilter
from ranker.testing.example import example_context
from ranker.testing.stages import VERSION, StageLaws
from schemas.messages.recommendations import Item


class FeedLaws(StageLaws):
    """The laws of a feed."""

    def feed(self, context: FeedContext) -> Pipeline:
        """The pipeline that the laws are tried on."""
        raise NotImplementedError

    def _slates(self, context: FeedContext) -> list[Slate]:
        return asyncio.run(self.feed(context).recommend(self.queries()))

    def test_it_names_its_versions(self) -> None:
        pipeline = self.feed(self.context())
        assert VERSION.fullmatch(pipeline.policy) and VERSION.fullmatch(pipeline.scorer.version)

    def test_a_slate_does_not_depend_on_the_other_queries(self) -> None:
        queries, pipeline = self.queries(), self.feed(self.context())
        together = [*map(content_of, asyncio.run(pipeline.recommend(queries)))]
        backwards = [*map(content_of, asyncio.run(pipeline.recommend(queries[::-1])))]
        assert backwards[::-1] == together
        cold = self.feed(self.context())
        for query, slate in zip(queries, together, strict=True):
            assert content_of(asyncio.run(cold.recommend([query]))[0]) == slate, f"{query.user_id} gets another slate"

    def test_slates_are_full_unless_the_catalogue_is_exhausted(self) -> None:
        context = self.context()
        for slate in self._slates(context):
            assert 0 < len(slate.items) <= context.slate_size
            assert len(slate.items) == context.slate_size or slate.exhausted

    def test_ranks_have_no_gaps_and_no_video_is_shown_twice(self) -> None:
        for slate in self._slates(self.context()):
            assert [item.rank for item in slate.items] == list(range(1, len(slate.items) + 1))
            assert len({item.video_id for item in slate.items}) == len(slate.items)

    def test_every_item_is_a_valid_message_that_names_its_sources_and_its_reasons(self) -> None:
        context = self.context()
        names = {*self.feed(context).source_names, FILL}
        for slate in self._slates(context):
            for item in slate.items:
                msgspec.convert(msgspec.to_builtins(item), Item)  # within the bounds of the message
                assert item.sources and set(item.sources) <= names
                assert item.reasons and all(0 <= reason.weight <= 1 for reason in item.reasons)
                assert np.isfinite(item.score) and all(0 < p < 1 for p in item.p.values())

    def test_what_is_withdrawn_skipped_or_seen_is_not_shown(self) -> None:
        context = self.context()
        for query, slate in zip(self.queries(), self._slates(context), strict=True):
            shown = [item.video_id for item in slate.items]
            assert all(video_id in context.catalogue.row_of for video_id in shown), "a withdrawn video is shown"
            assert not {skip.video_id for skip in query.profile.skips} & set(shown), "a skipped video is shown"
            if RESHOW_SEEN not in slate.degraded:
                codes = context.catalogue.code[context.catalogue.rows(shown)]
                assert not np.isin(codes, seen_codes(query.profile)).any(), "a seen video is shown"

    def test_an_index_that_does_not_answer_leaves_no_slate_short(self) -> None:
        context = example_context(UnavailableIndex())
        for slate in self._slates(context):
            assert len(slate.items) == context.slate_size or slate.exhausted

    def test_an_empty_catalogue_gives_empty_slates(self) -> None:
        assert [slate.items for slate in self._slates(example_context(catalogue=Catalogue()))] == [
            [] for _ in self.queries()
        ]


class UnavailableIndex:
    """An index that never answers."""

    name = "unavailable"

    async def upsert(self, videos: Sequence[IndexedVideo]) -> None:
        """Fail."""
        raise IndexUnavailable("the index does not answer")

    async def remove(self, video_ids: Sequence[str]) -> None:
        """Fail."""
        raise IndexUnavailable("the index does not answer")

    async def near(self, vectors: Vectors, k: int, where: SearchFilter | None = None) -> list[Hits]:
        """Fail."""
        raise IndexUnavailable("the index does not answer")

    async def count(self) -> int:
        """Fail."""
        raise IndexUnavailable("the index does not answer")

    async def close(self) -> None:
        """Nothing has to be closed."""


def content_of(slate: Slate) -> bytes:
    """Everything of a slate that depends neither on the clock nor on the batch."""
    return msgspec.json.encode((slate.user_id, slate.items, slate.dropped, slate.degraded, slate.exhausted))
