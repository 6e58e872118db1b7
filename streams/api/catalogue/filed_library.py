"""The library of an API process: what is said of videos in memory, their vectors in files that are mapped to be read.

The files have no name and end with the process, which reads features.v1 from its beginning at each start.
"""

import errno
import logging
import mmap
import os
import sys
import tempfile
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from ranker.catalogue.arrays import Vectors
from ranker.library.library import Hit, VideoLibrary, admits
from ranker.retrieval.index import SearchFilter
from schemas.messages.vectors import decode_vector
from schemas.messages.videos import CatalogueRecord, Encoded, Vector

log = logging.getLogger("freshet.api")

FIRST_ROWS = 4096  # of a file, which doubles then
FEW = 1000  # changed videos that are put in their places one by one


class Order(NamedTuple):
    """The videos that have a vector of one name, by id, and their rows in its file."""

    ids: list[str]
    rows: NDArray[np.int64]


class VectorFile:
    """float32 rows [N, D] on disk."""

    def __init__(self, folder: Path, dim: int) -> None:
        self.dim = dim
        self.rows: Vectors = np.zeros((0, dim), np.float32)
        self.is_there: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._file = tempfile.TemporaryFile(dir=folder, prefix="vectors-")  # noqa: SIM115  # as long as the process

    def write(self, start: int, data: bytes) -> None:
        """Write consecutive rows; OSError where the disk is full, and then none of them counts."""
        count = len(data) // (4 * self.dim)
        if start + count > len(self.rows):
            self._grow(max(FIRST_ROWS, 2 * len(self.rows), start + count))
        if os.pwrite(self._file.fileno(), data, 4 * self.dim * start) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.is_there[start : start + count] = True

    def _grow(self, count: int) -> None:
        _enlarge(self._file.fileno(), 4 * self.dim * count)
        mapped = mmap.mmap(self._file.fileno(), 4 * self.dim * count, prot=mmap.PROT_READ)
        self.rows = np.frombuffer(mapped, "<f4").reshape(count, self.dim)
        self.is_there = np.concatenate([self.is_there, np.zeros(count - len(self.is_there), np.bool_)])


def _enlarge(file: int, size: int) -> None:
    """With room for all of it, where the system can say so: who reads a hole in a full tmpfs is killed."""
    if sys.platform == "linux":
        os.posix_fallocate(file, 0, size)
    else:
        os.ftruncate(file, size)


class FiledLibrary(VideoLibrary):
    """A library whose records hold no vectors: those of one name, which are all of one model, are rows of a file.

    folder  where the files are made
    dims    dimensions of the vectors by name; others are left out
    """

    def __init__(self, folder: Path, dims: Mapping[str, int]) -> None:
        super().__init__()
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._dims = folder, dims
        self._files: dict[str, VectorFile] = {}
        self._row_of: dict[str, int] = {}
        self._free: list[int] = []
        self._unwritten: defaultdict[str, dict[int, bytes]] = defaultdict(dict)
        self._ids: list[str] = []  # sorted, as of the last question
        self._since: set[str] = set()  # what came and went since
        self._orders: dict[str, Order] = {}
        self._columns_read: dict[str, tuple[list[Encoded], Vectors]] = {}
        self._bare: dict[tuple[int, object], Vector] = {}
        self._is_full = False

    def take(self, records: Iterable[CatalogueRecord]) -> None:
        """Apply records of features.v1 in their order, and write their vectors; what a full disk refuses waits."""
        super().take(records)
        self._orders.clear()
        self._columns_read.clear()
        try:
            self._write()
        except OSError as error:
            if not self._is_full:
                why = "vectors of videos cannot be written to disk, and searches do not find them until they are"
                log.error("%s: %s", why, error.strerror)
            self._is_full = True
        else:
            if self._is_full:
                log.info("vectors of videos are written to disk again")
            self._is_full = False

    def column(self, name: str) -> tuple[list[Encoded], Vectors]:
        """The videos that have a vector of this name, by id, and these vectors [N, D] of norm 1.

        A copy in memory, for playlists, which go over the rows once for each place; it goes with the next record.
        """
        if name not in self._columns_read:
            ids, rows = self._order(name)
            held = self._files[name].rows[rows] if ids else np.zeros((0, 0), np.float32)
            self._columns_read[name] = [self.videos[one] for one in ids], held
        return self._columns_read[name]

    def place(self, video_id: str, name: str) -> int | None:
        """The row of a video in the column of this name; None where it has none."""
        ids = self._order(name).ids
        place = bisect_left(ids, video_id)
        return place if ids[place : place + 1] == [video_id] else None

    def near(self, vector: Vectors, name: str, k: int, where: SearchFilter | None = None) -> list[Hit]:
        """The k videos whose vector of this name is nearest to [D], best first, ties by id."""
        ids, rows = self._order(name)
        if not ids:
            return []
        file = self._files[name]
        if vector.shape != (file.dim,):
            raise ValueError(f"near: got {len(vector)} dimensions, the videos' {name} vectors have {file.dim}.")
        scores, allows = (file.rows[: int(rows.max()) + 1] @ vector)[rows], admits(where)
        best = np.argsort(-scores, kind="stable").tolist()  # of equal ones the first, and they are ordered by id
        allowed = (place for place in best if allows(self.videos[ids[place]]))
        return [Hit(self.videos[ids[place]], float(scores[place])) for place in islice(allowed, k)]

    def similar(self, video_id: str, name: str, k: int, where: SearchFilter | None = None) -> list[Hit]:
        """The k videos nearest to one of them; raises KeyError if it has no such vector."""
        if self.place(video_id, name) is None:
            raise KeyError(video_id)
        hits = self.near(self._files[name].rows[self._row_of[video_id]], name, k + 1, where)
        return [hit for hit in hits if hit.video.video_id != video_id][:k]

    def _keep(self, record: Encoded) -> Encoded:
        self._drop(record.video_id)
        self._row_of[record.video_id] = at = self._free.pop() if self._free else len(self._row_of)
        for name, vector in record.vectors.items():
            if name in self._dims and decode_vector(vector, self._dims[name]) is not None:
                self._unwritten[name][at] = vector.data
        labels = {sys.intern(label): share for label, share in record.labels.items()}
        bare = {name: self._without_data(vector) for name, vector in record.vectors.items()}
        return replace(record, vectors=bare, labels=labels, source={})

    def _drop(self, video_id: str) -> None:
        self._since.add(video_id)
        if (at := self._row_of.pop(video_id, None)) is None:
            return
        self._free.append(at)
        for file in self._files.values():
            file.is_there[at : at + 1] = False
        for unwritten in self._unwritten.values():
            unwritten.pop(at, None)

    def _without_data(self, vector: Vector) -> Vector:
        return self._bare.setdefault((vector.dim, vector.encoder), replace(vector, data=b""))

    def _write(self) -> None:
        for name, unwritten in self._unwritten.items():
            if unwritten and name not in self._files:
                self._files[name] = VectorFile(self._folder, self._dims[name])
            for start, data in _runs(unwritten):
                self._files[name].write(start, b"".join(data))
                for at in range(start, start + len(data)):
                    del unwritten[at]

    def _order(self, name: str) -> Order:
        if name in self._orders:
            return self._orders[name]
        if (file := self._files.get(name)) is None:
            return Order([], np.zeros(0, np.int64))
        self._sort()
        rows = np.fromiter(map(self._row_of.__getitem__, self._ids), np.int64, len(self._ids))
        has = np.zeros(len(rows), np.bool_)
        inside = rows < len(file.is_there)
        has[inside] = file.is_there[rows[inside]]
        ids = [one for one, is_there in zip(self._ids, has.tolist(), strict=True) if is_there]
        self._orders[name] = Order(ids, rows[has])
        return self._orders[name]

    def _sort(self) -> None:
        if len(self._since) > FEW:
            self._ids = sorted(self.videos)
        else:
            for video_id in self._since:
                place = bisect_left(self._ids, video_id)
                is_known = self._ids[place : place + 1] == [video_id]
                if is_known and video_id not in self.videos:
                    del self._ids[place]
                elif not is_known and video_id in self.videos:
                    insort(self._ids, video_id)
        self._since.clear()


def _runs(rows: dict[int, bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """Consecutive rows together.

    >>> list(_runs({4: b"d", 1: b"a", 2: b"b"}))
    [(1, [b'a', b'b']), (4, [b'd'])]
    """
    run: list[bytes] = []
    start = -1
    for at in sorted(rows):
        if run and at != start + len(run):
            yield start, run
            run = []
        if not run:
            start = at
        run.append(rows[at])
    if run:
        yield start, run
