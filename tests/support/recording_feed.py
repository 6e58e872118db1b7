"""A feed that ranks everything for everybody and writes down what it predicts: to compare what is served."""

import json
import os
from pathlib import Path

import numpy as np

from ranker.feeds import home
from ranker.feeds.feed import FeedContext
from ranker.pipeline import filters
from ranker.pipeline.pipeline import Pipeline
from ranker.pipeline.types import Candidates, QueryBatch, Scores, Selection, SourceResult
from ranker.profile.outcomes import HEADS

FILE = "RECORDING_OF_PREDICTIONS"  # names the file, a line a slate


def build(context: FeedContext) -> Pipeline:
    """The home feed with all videos as candidates."""
    catalogue, base = context.catalogue, home.build(context)

    async def everything(batch: QueryBatch) -> SourceResult:
        rows = np.flatnonzero(catalogue.is_active).astype(np.int32)
        count = len(batch.queries)
        return SourceResult(np.tile(rows, count), np.arange(count).repeat(len(rows)))

    def recorded(batch: QueryBatch, candidates: Candidates, scores: Scores) -> Selection:
        with Path(os.environ[FILE]).open("a", encoding="utf-8") as file:
            for place, span in candidates.spans():
                query = batch.queries[place]
                chances = np.stack([scores.heads[head][span] for head in HEADS], axis=1).tolist()
                ids = [catalogue.ids[row] for row in candidates.rows[span].tolist()]
                line = {"user_id": query.user_id, "version": query.version, "p": dict(zip(ids, chances, strict=True))}
                file.write(json.dumps(line) + "\n")
        return base.select(batch, candidates, scores)

    return Pipeline(
        policy="recording@1",
        catalogue=catalogue,
        sources=(everything,),
        filters=(filters.active(catalogue),),
        features=base.features,
        scorer=base.scorer,
        select=recorded,
        explain=base.explain,
        size=context.slate_size,
        clock=context.clock,
    )
