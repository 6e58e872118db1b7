"""Many searches in one request, which orjson writes and reads.

qdrant-client checks each number of a query and each point of an answer by pydantic, which takes fifteen times as long.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import ResponseHandlingException

Search = Mapping[str, Any]  # the JSON of a QueryRequest; its query may be a float32 row


class Found(NamedTuple):
    """The videos of one search in the server's order, which is by score; `scores` go with `video_ids`."""

    video_ids: list[str]
    scores: list[float]


def plain(query: Any) -> Any:
    """A float32 row as a list; anything else as it is."""
    return query.tolist() if isinstance(query, np.ndarray) else query


def named(points: Iterable[tuple[float, Mapping[str, Any] | None]]) -> Found:
    """Those that have a video id: others are not ours."""
    ours = [(str(payload["video_id"]), float(score)) for score, payload in points if payload and "video_id" in payload]
    return Found([video_id for video_id, _ in ours], [score for _, score in ours])


async def found_by(
    client: AsyncQdrantClient, collection: str, searches: Sequence[Search], timeout_s: int
) -> list[Found]:
    """What each search finds; ResponseHandlingException where the answer is none."""
    try:
        server = client.http.client
    except NotImplementedError:  # qdrant-client's local mode
        requests = [models.QueryRequest(**{**one, "query": plain(one["query"])}) for one in searches]
        answers = await client.query_batch_points(collection, requests, timeout=timeout_s)
        return [named((point.score, point.payload) for point in answer.points) for answer in answers]
    answer = await server.request(
        type_=dict,
        method="POST",
        url="/collections/{collection_name}/points/query/batch",
        path_params={"collection_name": collection},
        params={"timeout": str(timeout_s)},
        headers={"Content-Type": "application/json"},
        content=body(searches),
    )
    try:
        return [named((point["score"], point.get("payload")) for point in one["points"]) for one in answer["result"]]
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise ResponseHandlingException(fault) from fault


def body(searches: Sequence[Search]) -> bytes:
    """The request's JSON: of a float32 the shortest decimal that the server reads as the same float32."""
    return orjson.dumps({"searches": searches}, option=orjson.OPT_SERIALIZE_NUMPY)


def to_search(request: models.QueryRequest) -> dict[str, Any]:
    """The JSON of a request."""
    return request.model_dump(mode="json", exclude_unset=True, exclude_none=True)
