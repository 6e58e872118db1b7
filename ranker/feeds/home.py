"""The home feed: the default, as a table of its stages."""

from ranker.feeds.feed import FeedContext
from ranker.pipeline import filters, scorers, sources
from ranker.pipeline.features import featurize
from ranker.pipeline.merge import FILL
from ranker.pipeline.pipeline import Pipeline
from ranker.pipeline.reasons import Reason, explain
from ranker.pipeline.reranking import diverse
from ranker.retrieval.neighbour_cache import NeighbourCache

REASONS = (
    # near a video that the person watched or liked, which it names
    Reason("similar_to", ("similar", "liking"), ("near_recent",), names_interest=True),
    Reason("creator", ("creator",), ("creators",)),  # its creator is followed or often watched
    Reason("trending", ("trend",), ("trending",)),  # many people turn to it at present
    Reason("fresh", ("fresh",), ("fresh",)),  # newly uploaded
    Reason("popular", ("popular",), ("popular", FILL)),  # many people have turned to it; also for want of any reason
)


def build(context: FeedContext) -> Pipeline:
    """The pipeline of the home feed."""
    catalogue = context.catalogue
    return Pipeline(
        policy="home@1",  # raised with the stages
        catalogue=catalogue,
        sources=(
            sources.near_recent(NeighbourCache(context.index, catalogue, sources.NEIGHBOURS)),
            sources.trending(catalogue),
            sources.fresh(catalogue),
            sources.creators(catalogue),
            sources.popular(catalogue),
        ),
        filters=(
            filters.active(catalogue),
            filters.visible_to_viewer(catalogue),
            filters.unseen(catalogue),
            filters.not_skipped(catalogue),
            filters.not_hidden(catalogue),
            filters.not_own(catalogue),
        ),
        features=featurize(catalogue),
        scorer=scorers.weighted_sum(),
        select=diverse(catalogue, context.slate_size, explore="fresh"),
        explain=explain(catalogue, REASONS),
        size=context.slate_size,
        clock=context.clock,
    )
