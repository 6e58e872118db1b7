"""The home feed, as a table of its stages."""

from ranker.catalogue.catalogue import Catalogue
from ranker.pipeline import filters, sources
from ranker.pipeline.features import featurize
from ranker.pipeline.merge import name_of
from ranker.pipeline.pipeline import SIZE, Clock, Pipeline, no_clock
from ranker.pipeline.reasons import explain
from ranker.pipeline.reranking import diverse
from ranker.pipeline.scorers import WEIGHTS, Weights, weighted_sum
from ranker.retrieval.index import VideoIndex
from ranker.retrieval.neighbour_cache import NeighbourCache


def home(
    index: VideoIndex,
    catalogue: Catalogue,
    weights: Weights = WEIGHTS,
    size: int = SIZE,
    clock: Clock = no_clock,
) -> Pipeline:
    """The pipeline of the home feed, as a table of its stages."""
    found = (
        sources.near_recent(NeighbourCache(index, catalogue, sources.NEAR)),
        sources.trending(catalogue),
        sources.fresh(catalogue),
        sources.creators(catalogue),
        sources.popular(catalogue),
    )
    names = [name_of(source) for source in found]
    return Pipeline(
        catalogue=catalogue,
        sources=found,
        filters=(
            filters.active(catalogue),
            filters.visible_to_viewer(catalogue),
            filters.unseen(catalogue),
            filters.not_skipped(catalogue),
            filters.not_hidden(catalogue),
            filters.not_own(catalogue),
        ),
        features=featurize(catalogue),
        scorer=weighted_sum(weights),
        select=diverse(catalogue, size, explore=names.index("fresh")),
        explain=explain(catalogue, weights, names),
        size=size,
        clock=clock,
    )
