"""How far a collection has come with features.v1: kept in it, one point a partition, and so never ahead of it.

A point goes the way of the videos: it is in the same log of the server, is replicated and restored with them. A
collection's metadata goes another way, and could say after a crash what the videos do not.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from qdrant_client import models

from streams.qdrant.mapping import NAMESPACE

MARK = "mark"  # of who writes: a field of the points that say how far a collection has come


class Progress(msgspec.Struct, frozen=True):
    """What is in the collection of one partition.

    reached   the offset before which everything is in
    goal      the end of the partition when reading began: up to there the collection is not complete
    topic_id  of the topic whose offsets these are
    """

    partition: int
    partitions: int
    reached: int
    goal: int
    topic_id: str


def progress_id(generation: str, partition: int) -> str:
    """No video has this point id, since ids of videos hold no control characters.

    Who is frozen and writes late into a collection that was made again, writes to a point that nobody reads.
    """
    return str(uuid.uuid5(NAMESPACE, f"\0progress {generation} {partition}"))


def to_progress_point(one: Progress, generation: str, mark: str) -> models.PointStruct:
    """The point of a partition: no vector to be found by, and no video id."""
    payload = {"progress": msgspec.to_builtins(one), MARK: mark}
    return models.PointStruct(id=progress_id(generation, one.partition), vector={}, payload=payload)


def to_mark(
    generation: str, partitions: Sequence[int], mark: str, known: str | None = None
) -> models.SetPayloadOperation:
    """Mark what a collection says of partitions; with `known` only where that is the mark. It makes no point."""
    ids: list[models.ExtendedPointId] = [progress_id(generation, partition) for partition in partitions]
    marks = [] if known is None else [known, mark]  # the new one is there where the answer to an attempt was lost
    return _changed({MARK: mark}, ids, marks)


def to_marked_progress(one: Progress, generation: str, mark: str) -> models.SetPayloadOperation:
    """Say this of a partition, but only where its point is there and has this mark."""
    return _changed({"progress": msgspec.to_builtins(one)}, [progress_id(generation, one.partition)], [mark])


def _changed(
    payload: models.Payload, ids: list[models.ExtendedPointId], marks: list[str]
) -> models.SetPayloadOperation:
    # An upsert with a condition would make a point where there is none, and a list of ids is refused where one lacks.
    must: list[models.Condition] = [models.HasIdCondition(has_id=ids)]
    if marks:
        must.append(models.FieldCondition(key=MARK, match=models.MatchAny(any=list[str](marks))))
    return models.SetPayloadOperation(set_payload=models.SetPayload(payload=payload, filter=models.Filter(must=must)))


def to_progress(points: Iterable[models.Record]) -> dict[int, Progress]:
    """What points say, by partition."""
    found = [msgspec.convert(one.payload["progress"], Progress) for one in points if one.payload]
    return {one.partition: one for one in found}


def is_complete(found: Mapping[int, Progress], partitions: int) -> bool:
    """Whether every partition has been read up to where it ended when reading began.

    >>> is_complete({0: Progress(0, 2, 7, 7, "t")}, 2)
    False
    """
    return len(found) >= partitions and all(one.reached >= one.goal for one in found.values())


def share(found: Mapping[int, Progress], partitions: int) -> str:
    """How much has been read, in words.

    >>> share({0: Progress(0, 2, 30, 40, "t"), 1: Progress(1, 2, 10, 60, "t")}, 2)
    '40 of 100 records of features.v1'
    """
    reached, goal = sum(min(one.reached, one.goal) for one in found.values()), sum(one.goal for one in found.values())
    unknown = f" and {partitions - len(found)} partitions not begun" if len(found) < partitions else ""
    return f"{reached} of {goal} records of features.v1{unknown}"
