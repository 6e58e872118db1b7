"""The home feed: the default, as a table of its stages."""

from ranker.feeds.feed import FeedContext, remote_of, vectors_of
from ranker.feeds.load import ranking_of
from ranker.pipeline import filters, learned, sources
from ranker.pipeline.features import featurize
from ranker.pipeline.merge import FILL
from ranker.pipeline.pipeline import Pipeline
from ranker.pipeline.reasons import Reason, explain
from ranker.pipeline.reranking import diverse
from ranker.pipeline.types import Source, name_of
from ranker.retrieval.neighbour_cache import NeighbourCache
from ranker.retrieval.neighbour_lists import NeighbourLists
from ranker.retrieval.sequence import SequenceRetrieval

POLICY = "home@2"  # raised with the stages
TAGS = ("effect of tag", "effect of second tag", "effect of third tag")
VIDEO = ("effect of video", "rate of video", "effect of video on surface", "rate of video on surface")
REASONS = (
    # near a video that the person watched or liked, which it names
    Reason("similar_to", ("similar", "liking"), ("near_recent",), names_interest=True),
    # its creator is followed or often watched, or people take to their videos
    Reason("creator", ("creator", "effect of creator", "rate of creator"), ("creators",)),
    Reason("topic", TAGS),  # people take to videos with its tags
    Reason("length", ("effect of duration",)),  # people take to videos so long on that surface
    Reason("music", ("effect of music",)),
    Reason("trending", ("trend",), ("trending", "trending_here")),  # many people turn to it at present
    Reason("fresh", ("fresh",), ("fresh",)),  # newly uploaded
    Reason("next", sources=("sequence",), source_weight=0.5),  # people took to it next after what this person took to
    # many people have turned to it, or those who met it took to it; also for want of any reason
    Reason("popular", ("popular", *VIDEO), ("popular", FILL)),
)


def near_recent(context: FeedContext, size: int) -> Source:
    """So many neighbours of each interest."""
    if remote := remote_of(context):
        return sources.near_recent_listed(NeighbourLists(remote, context.catalogue, size))
    return sources.near_recent(NeighbourCache(context.index, context.catalogue, size))


def by_sequence(context: FeedContext, size: int) -> tuple[Source, ...]:
    """The source by a sequence model, where one is set."""
    return (sources.sequence(SequenceRetrieval(context.sequence, context.catalogue), size),) if context.sequence else ()


def policy_of(context: FeedContext, size: int) -> str:
    """The feed's name and version, with what else gives candidates than usual."""
    if not context.catalogue.holds_vectors:
        return f"{POLICY}-remote"
    return f"{POLICY}-sequence-{context.sequence.version}" if context.sequence and size else POLICY


def build(context: FeedContext) -> Pipeline:
    """The pipeline of the home feed, by the table that the settings name."""
    catalogue, known, table = context.catalogue, context.learned, ranking_of(context.settings)
    size, worth = table.sources, table.score
    every = (
        near_recent(context, size.near_recent),
        sources.trending(catalogue, size.trending),
        sources.trending_here(catalogue, known.parameters, size.trending_here),
        sources.fresh(catalogue, size.fresh),
        sources.creators(catalogue, size.creators),
        sources.popular(catalogue, size.popular),
        *by_sequence(context, size.sequence),
    )
    return Pipeline(
        policy=policy_of(context, size.sequence),
        catalogue=catalogue,
        sources=tuple(one for one in every if name_of(one) not in size.off),
        filters=(
            filters.active(catalogue),
            filters.visible_to_viewer(catalogue),
            filters.unseen(catalogue),
            filters.not_skipped(catalogue),
            filters.not_hidden(catalogue),
            filters.not_own(catalogue),
        ),
        features=learned.with_learned(featurize(catalogue), catalogue, known.parameters, worth),
        scorer=learned.learned_sum(worth, table.version, lambda: known.version),
        select=diverse(catalogue, context.slate_size, table.mix),
        explain=explain(catalogue, REASONS),
        hydrate=vectors_of(context),
        size=context.slate_size,
        clock=context.clock,
    )
