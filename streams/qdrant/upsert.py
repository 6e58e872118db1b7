"""Many points in one conditional upsert, as bytes that msgspec makes.

qdrant-client checks each number and writes it by pydantic, which takes more than all else that a video costs the
indexer.
"""

from collections.abc import Sequence

import msgspec
from qdrant_client import AsyncQdrantClient, models


async def upsert(
    client: AsyncQdrantClient,
    collection: str,
    points: Sequence[models.PointStruct],
    allowed: models.Filter,
    timeout_s: int,
) -> models.UpdateResult:
    """Write points where the filter allows it, and return when the server has applied them or says that they wait."""
    try:
        server = client.http.client
    except NotImplementedError:  # qdrant-client's local mode
        return await client.upsert(collection, points, wait=True, update_filter=allowed, timeout=timeout_s)
    answer = await server.request(
        type_=models.InlineResponse2008,
        method="PUT",
        url="/collections/{collection_name}/points",
        path_params={"collection_name": collection},
        params={"wait": "true", "timeout": str(timeout_s)},
        headers={"Content-Type": "application/json"},
        content=body(points, allowed),
    )
    if not isinstance(answer.result, models.UpdateResult):
        raise TimeoutError  # an answer without a result says nothing of the points
    return answer.result


def body(points: Sequence[models.PointStruct], allowed: models.Filter) -> bytes:
    """The request's JSON: numbers of float32 as doubles, which the server rounds to the same float32."""
    return msgspec.json.encode(
        {
            "points": [{"id": one.id, "vector": one.vector, "payload": one.payload} for one in points],
            "update_filter": allowed.model_dump(mode="json", exclude_none=True),
        }
    )
