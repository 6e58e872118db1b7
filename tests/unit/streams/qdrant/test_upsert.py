"""The bytes of an upsert: what qdrant-client would send, and vectors that come out as they went in."""

import json

import numpy as np
from qdrant_client import models

from streams.qdrant.mapping import Withdrawal, not_older, to_point, to_withdrawn_point
from streams.qdrant.upsert import body
from tests.support.indexed_videos import DIM, shelf


def test_an_upsert_is_what_the_client_would_send() -> None:
    points = [*(to_point(one, {"retrieval": DIM}) for one in shelf(5)), to_withdrawn_point(Withdrawal("v9", 7))]
    allowed = not_older(points)
    checked = models.PointsList(
        points=[models.PointStruct(id=one.id, vector=one.vector, payload=one.payload) for one in points],
        update_filter=allowed,
    )
    assert json.loads(body(points, allowed)) == checked.model_dump(mode="json", exclude_none=True)


def test_a_vector_comes_out_as_it_went_in() -> None:
    [video] = shelf(1)
    point = to_point(video, {"retrieval": DIM})
    [sent] = json.loads(body([point], not_older([point])))["points"]
    assert (np.array(sent["vector"]["retrieval"], np.float32) == video.vector).all()
