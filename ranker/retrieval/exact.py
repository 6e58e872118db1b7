"""The exact index: compares a query with every video, so that other indexes can be judged by it."""

import asyncio
from collections.abc import Mapping, Sequence

import numpy as np

from ranker.catalogue.arrays import Mask, Rows, Vectors
from ranker.catalogue.catalogue import Catalogue
from ranker.catalogue.entry import Entry
from ranker.retrieval.index import Hits, IndexedVideo, SearchFilter

BLOCK = 8  # query rows in one matrix product; from 12 on the bits depended on the place in the block
TILE = 256  # catalogue rows in one matrix product; from 384 on the bits depended on the place in the tile
GROUP_SIZE = 16
NO_SCORE = np.float32(-np.inf)
LOWEST_SCORE = np.finfo(np.float32).min


class ExactIndex:
    """Compares a query with every video: the index of replay, and the default without a server.

    Its matrix is the catalogue's, so `upsert` changes nothing in a catalogue that has the videos already.
    """

    name = "exact"

    def __init__(self, catalogue: Catalogue | None = None) -> None:
        self.catalogue = Catalogue() if catalogue is None else catalogue

    async def upsert(self, videos: Sequence[IndexedVideo]) -> None:
        """Insert or replace videos in the catalogue."""
        for video in videos:
            if video.vector.shape != (self.catalogue.dim,):
                raise ValueError(
                    f"upsert of {video.video_id!r}: the vector has shape {video.vector.shape}, the index"
                    f" holds ({self.catalogue.dim},); encode it with the encoder that filled the index"
                )
        self.catalogue.add(
            Entry(v.video_id, v.at_ms, v.vector, v.creator_id, v.category, v.language, v.tags) for v in videos
        )

    async def remove(self, video_ids: Sequence[str]) -> None:
        """Remove videos from the catalogue."""
        self.catalogue.drop(video_ids)

    async def near(self, vectors: Vectors, k: int, where: SearchFilter | None = None) -> list[Hits]:
        """The k nearest videos of every row of `vectors`; other tasks run between two blocks."""
        catalogue, size = self.catalogue, self.catalogue.size
        allowed = allows(catalogue, where)
        hits: list[Hits] = []
        for start in range(0, len(vectors), BLOCK):
            if start:
                await asyncio.sleep(0)
            queries = vectors[start : start + BLOCK]
            scores = products(queries, catalogue.vectors, 0, size)
            np.copyto(scores, NO_SCORE, where=~allowed)
            hits.extend(
                Hits([catalogue.ids[row] for row in rows], of_rows)
                for rows, of_rows in top(scores[: len(queries)], k, catalogue.order)
            )
        return hits

    async def count(self) -> int:
        """How many videos can be found: those that may be shown and have a vector."""
        return int((self.catalogue.is_active & self.catalogue.has_vector).sum())

    async def close(self) -> None:
        """Nothing has to be closed."""


def products(queries: Vectors, vectors: Vectors, start: int, stop: int) -> Vectors:
    """Inner products of up to BLOCK queries [Q, D] with the tiles that hold rows start..stop − 1: [BLOCK, S].

    Column 0 is the first row of the first tile. Each product has the shape [BLOCK, D] × [D, TILE], however many
    queries and rows are given, as the bits of a product may depend on its shape.
    """
    block = np.zeros((BLOCK, vectors.shape[1]), np.float32)
    block[: len(queries)] = queries
    first, last = start // TILE, -(-stop // TILE)
    tiles = vectors[first * TILE : last * TILE].reshape(last - first, TILE, vectors.shape[1])
    out = np.empty((BLOCK, last - first, TILE), np.float32)
    np.matmul(block, tiles.transpose(0, 2, 1), out=out.transpose(1, 0, 2))
    return out.reshape(BLOCK, -1)


def top(scores: Vectors, k: int, order: Rows) -> list[tuple[Rows, Vectors]]:
    """Columns and scores of the k highest finite scores of every row of [Q, S], best first, ties by `order`.

    The k-th highest score is at least the k-th highest of the group maxima, as k groups reach that.
    """
    floor = np.full(len(scores), LOWEST_SCORE, np.float32)
    if scores.shape[1] >= k * GROUP_SIZE > 0:
        maxima = scores.reshape(len(scores), GROUP_SIZE, -1).max(axis=1)
        np.maximum(floor, np.partition(maxima, -k, axis=1)[:, -k], out=floor)
    places = (scores >= floor[:, None]).ravel().nonzero()[0]
    bounds = places.searchsorted(np.arange(len(scores) + 1) * scores.shape[1])
    columns = places - (np.arange(len(scores)) * scores.shape[1]).repeat(bounds[1:] - bounds[:-1])
    best = []
    for row, start, stop in zip(scores, bounds[:-1], bounds[1:], strict=True):
        found = columns[start:stop].astype(np.int32)
        found = found[np.lexsort((order[found], -row[found]))][:k]
        best.append((found, row[found]))
    return best


def allows(catalogue: Catalogue, where: SearchFilter | None) -> Mask:
    """Which rows may be found, up to the end of the last tile: bool [S]."""
    stop = -(-catalogue.size // TILE) * TILE
    mask = catalogue.is_active[:stop] & catalogue.has_vector[:stop]
    if where is None:
        return mask
    if where.languages:
        mask &= _among(catalogue.language[:stop], where.languages, catalogue.languages)
    if where.categories:
        mask &= _among(catalogue.category[:stop], where.categories, catalogue.categories)
    if where.not_before_ms is not None:
        mask &= catalogue.at_ms[:stop] >= where.not_before_ms
    mask[catalogue.rows(sorted(where.exclude))] = False
    return mask


def _among(column: Rows, names: Sequence[str], codes: Mapping[str, int]) -> Mask:
    return np.isin(column, [codes[name] for name in names if name in codes])
