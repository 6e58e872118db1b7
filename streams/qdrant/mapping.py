"""How a video is stored in Qdrant: its point, the vectors and fields of a collection, and filters in its terms."""

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from ranker.library.library import RETRIEVAL, Hit
from ranker.retrieval.index import Hits, IndexedVideo, SearchFilter
from schemas.messages.videos import Encoded
from schemas.settings.model import Settings
from streams.qdrant.searches import Found, named

Floats = NDArray[np.float32]
Dims = Mapping[str, int]  # of the vectors by name


class Withdrawal(NamedTuple):
    """A video that may not be found any more, since this time."""

    video_id: str
    at_ms: int


Change = IndexedVideo | Withdrawal

NAMESPACE = uuid.UUID("b9f11644-c0ad-5dd0-b956-1c1fc7a3e110")  # of point ids; a change orphans every point
LAYOUT = 4  # raised whenever points are stored in another way; before it pictures and sound had no words
FIELDS = {
    "at_ms": models.PayloadSchemaType.INTEGER,
    "video_id": models.PayloadSchemaType.KEYWORD,
    "creator_id": models.PayloadSchemaType.KEYWORD,
    "category": models.PayloadSchemaType.KEYWORD,
    "language": models.PayloadSchemaType.KEYWORD,
    "tags": models.PayloadSchemaType.KEYWORD,
}
CONTROL = str(uuid.uuid5(NAMESPACE, "\0control"))  # of a point without vectors or payload; no video has this id


def point_id(video_id: str) -> str:
    """UUIDv5 of the video id, so that an upsert can be repeated.

    >>> point_id("v7") == point_id("v7") != point_id("v8")
    True
    """
    return str(uuid.uuid5(NAMESPACE, video_id))


def alias_of(settings: Settings) -> str:
    """What the names of an installation's collections begin with: the prefix tells it from others on the server."""
    return settings.prefix + settings.qdrant_collection


def collection_name(base: str, encoder: str, dim: int) -> str:
    """One collection for each version of the retrieval vector and each way of storing points.

    >>> collection_name("freshet.videos", "fused@3", 256)
    'freshet.videos-fused-3-256-layout4'
    """
    return f"{base}-{re.sub('[^A-Za-z0-9._-]', '-', encoder)}-{dim}-layout{LAYOUT}"


def vectors_config(dims: Dims) -> dict[str, models.VectorParams]:
    """Named vectors, compared by cosine: retrieval's in memory, the modalities', which are rarely queried, on disk."""
    return {name: _params(dim, name != RETRIEVAL) for name, dim in dims.items()}


def _params(dim: int, on_disk: bool) -> models.VectorParams:
    if not on_disk:
        return models.VectorParams(size=dim, distance=models.Distance.COSINE)
    # not `memory`, which came with 1.19 and which an older server ignores
    graph = models.HnswConfigDiff(on_disk=True)
    return models.VectorParams(size=dim, distance=models.Distance.COSINE, on_disk=True, hnsw_config=graph)


def shape_of(vectors: models.VectorParams | Mapping[str, models.VectorParams | None] | None) -> str:
    """The vectors of a collection in words.

    >>> shape_of(vectors_config({"text": 384, "retrieval": 256}))
    'retrieval 256-d Cosine, text 384-d Cosine'
    """
    named = vectors if isinstance(vectors, Mapping) else {"unnamed": vectors}
    found = ((name, one) for name, one in sorted(named.items()) if one is not None)
    return ", ".join(f"{name} {one.size}-d {one.distance.value}" for name, one in found) or "no"


def to_point(video: IndexedVideo, dims: Dims) -> models.PointStruct:
    """The point of a video; a ValueError where a vector is not of these dimensions."""
    vectors = {RETRIEVAL: video.vector, **video.modalities}
    for name, vector in vectors.items():
        if vector.shape != (dims.get(name),) or not np.isfinite(vector).all():
            raise ValueError(
                f"video {video.video_id} has a {name} vector of shape {vector.shape}, the index needs"
                f" {dims.get(name, 'no')} finite numbers; embed it again"
            )
    payload = {field: getattr(video, field) for field in FIELDS} | {"tags": list(video.tags)} | dict(video.about)
    lists = {name: vector.tolist() for name, vector in vectors.items()}
    # Not checked once more number by number: that was done above.
    return models.PointStruct.model_construct(id=point_id(video.video_id), vector=lists, payload=payload)


def to_withdrawn_point(one: Withdrawal) -> models.PointStruct:
    """What is left of a withdrawn video: no vector to be found by, and a time that only a later upload passes."""
    return models.PointStruct(id=point_id(one.video_id), vector={}, payload={"at_ms": one.at_ms + 1})


def newest(changes: Iterable[Change]) -> list[Change]:
    """Of each video its newest change, the later one of two of the same time."""
    latest: dict[str, Change] = {}
    for change in changes:
        known = latest.get(change.video_id)
        if known is None or change.at_ms >= known.at_ms:
            latest[change.video_id] = change
    return [*latest.values()]


def not_older(points: Sequence[models.PointStruct]) -> models.Filter:
    """Which of the stored points these may replace: each the one of its id, unless that is newer."""
    timed = sorted((one.payload["at_ms"], str(one.id)) for one in points if one.payload)
    return models.Filter(
        should=[
            models.Filter(
                must=[
                    models.HasIdCondition(has_id=[point_id for _, point_id in same]),
                    models.FieldCondition(key="at_ms", range=models.Range(lte=at_ms)),
                ]
            )
            for at_ms, same in groupby(timed, key=lambda pair: pair[0])
        ]
    )


VIDEOS = models.Filter(must_not=[models.IsEmptyCondition(is_empty=models.PayloadField(key="video_id"))])


def to_video(payload: Mapping[str, object]) -> Encoded:
    """The video of a point, without its vectors."""
    return msgspec.convert({"kind": "encoded", **payload}, Encoded)


def to_hits(found: Found, k: int) -> Hits:
    """The best `k` of what was found, ties by id."""
    scores = np.array(found.scores, np.float32)
    if (scores[1:] < scores[:-1]).all():  # as nearly always: the server's order is ours
        return Hits(found.video_ids[:k], scores[:k])
    best = sorted(zip((-scores).tolist(), found.video_ids, strict=True))[:k]
    return Hits([video_id for _, video_id in best], np.array([-score for score, _ in best], np.float32))


def to_found(points: Sequence[models.ScoredPoint], k: int) -> list[Hit]:
    """The same with everything that is known of the videos but their vectors."""
    payloads = [point.payload for point in points if point.payload]
    by_id = {payload["video_id"]: payload for payload in payloads if "video_id" in payload}
    hits = to_hits(named((point.score, point.payload) for point in points), k)
    return [Hit(to_video(by_id[one]), float(score)) for one, score in zip(hits.video_ids, hits.scores, strict=True)]


def to_filter(where: SearchFilter | None, most_ids: int | None = None) -> models.Filter | None:
    """The ranker's conditions as a Qdrant filter, with so many excluded videos at most."""
    if where is None:
        return None
    must: list[models.Condition] = []
    for field, wanted in (("language", where.languages), ("category", where.categories)):
        if wanted:
            must.append(models.FieldCondition(key=field, match=models.MatchAny(any=list(wanted))))
    if where.not_before_ms is not None:
        must.append(models.FieldCondition(key="at_ms", range=models.Range(gte=where.not_before_ms)))
    ids: list[models.ExtendedPointId] = [point_id(video_id) for video_id in sorted(where.exclude)[:most_ids]]
    must_not: list[models.Condition] = [models.HasIdCondition(has_id=ids)] if ids else []
    return models.Filter(must=must or None, must_not=must_not or None) if must or must_not else None
