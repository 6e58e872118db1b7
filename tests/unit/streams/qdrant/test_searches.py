"""Searches as bytes: what qdrant-client would send, and an answer that is none."""

import json
from typing import Any

import numpy as np
import pytest
from qdrant_client import models

from ranker.retrieval.index import IndexRefused
from streams.qdrant.client import connect
from streams.qdrant.index import QdrantIndex
from streams.qdrant.mapping import to_hits
from streams.qdrant.searches import Found, body, to_search
from tests.support.indexed_videos import DIM, ENCODER, vectors
from tests.support.qdrant_stub import LOCAL_MODE, QdrantStub, running

pytestmark = LOCAL_MODE


def test_a_search_is_what_the_client_would_send() -> None:
    row = vectors(1, seed=3)[0]
    how = {"using": "retrieval", "params": models.SearchParams(hnsw_ef=64), "limit": 9, "with_payload": ["video_id"]}
    sent = json.loads(body([{**to_search(models.QueryRequest(**how)), "query": row}]))
    [query] = [one.pop("query") for one in sent["searches"]]
    assert (np.array(query, np.float32) == row).all()
    assert sent == {"searches": [{**how, "params": {"hnsw_ef": 64}}]}


def test_equal_scores_are_ordered_by_id() -> None:
    hits = to_hits(Found(["b", "d", "c", "a"], [0.9, 0.5, 0.5, 0.1]), 3)
    assert hits.video_ids == ["b", "c", "d"]
    assert hits.scores.tolist() == np.array([0.9, 0.5, 0.5], np.float32).tolist()


class Wrong(QdrantStub):
    """A server that answers searches with something else."""

    def __init__(self, answer: object) -> None:
        super().__init__()
        self._wrong = answer

    def _routes(self) -> dict[tuple[str, str], Any]:
        async def wrong(*_: object) -> object:
            return self._wrong

        return super()._routes() | {("POST", "points/query/batch"): wrong}


@pytest.mark.parametrize("answer", [None, 7, [{}], [{"points": [{"score": "near", "payload": {"video_id": "v1"}}]}]])
async def test_an_answer_that_is_none_is_refused(answer: object) -> None:
    async with running(Wrong(answer)) as stub:
        index = QdrantIndex(connect(stub.url), "videos", DIM, ENCODER)
        await index.start()
        with pytest.raises(IndexRefused):
            await index.near(vectors(1, seed=1), 3)
        await index.close()
