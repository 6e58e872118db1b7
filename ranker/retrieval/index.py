"""The interface of a vector index, which the ranker owns and which the adapters implement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

from ranker.catalogue.arrays import Vectors


class IndexUnavailable(Exception):
    """The index did not answer; slates are made without it and say so."""


class IndexRefused(IndexUnavailable):
    """An index that refused, or holds something else than was asked for: trying again is useless."""


@dataclass(frozen=True)
class IndexedVideo:
    """One video as an index stores it; `vector` is float32 [D] of norm 1, and what retrieval compares.

    modalities  by name, float32 [D_m] of norm 1, for search by people; a missing modality is left out
    about       what else a search shows of the video; nothing is searched by it
    """

    video_id: str
    vector: Vectors
    at_ms: int
    creator_id: str | None = None
    category: str | None = None
    language: str | None = None
    tags: tuple[str, ...] = ()
    modalities: Mapping[str, Vectors] = field(default_factory=dict)
    about: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Hits:
    """The nearest videos of one query, best first, ties by id; `scores` float32 [K] are inner products."""

    video_ids: list[str]
    scores: Vectors


@dataclass(frozen=True)
class SearchFilter:
    """Which videos may be found; an empty field allows all."""

    languages: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    not_before_ms: int | None = None
    exclude: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Taste:
    """What one person is looked for by: the ids of some videos that the index holds, and which ones may be found."""

    near: tuple[str, ...]
    where: SearchFilter = field(default_factory=SearchFilter)


class Coverage(NamedTuple):
    """What the answers of an index elsewhere are good for.

    generation  of the index: whoever remembers answers forgets them when it changes
    rows        of the catalogue, the first so many, that are surely in it; 0: unknown, so nothing is remembered
    """

    generation: str
    rows: int


@runtime_checkable
class IndexElsewhere(Protocol):
    """An index that others fill, and that may be behind the catalogue or another one than before."""

    @property
    def coverage(self) -> Coverage: ...


@runtime_checkable
class RemoteIndex(IndexElsewhere, Protocol):
    """An index elsewhere for a process that holds no vectors: it knows videos by id, and gives vectors out."""

    async def near_people(self, tastes: Sequence[Taste], k: int) -> list[list[str] | None]:
        """The k nearest videos of each interest of each person; None for those for whom it did not answer."""

    async def vectors(self, video_ids: Sequence[str]) -> dict[str, Vectors | None]:
        """The vectors of videos, None for one that has none; those for which it did not answer are left out."""


class VideoIndex(Protocol):
    """Finds the videos nearest to a vector; raises IndexUnavailable when it cannot answer."""

    name: str

    async def upsert(self, videos: Sequence[IndexedVideo]) -> None:
        """Insert or replace videos; may be repeated, and an older `at_ms` never overwrites a newer one."""

    async def remove(self, video_ids: Sequence[str]) -> None:
        """Remove videos; an unknown id is not an error."""

    async def near(self, vectors: Vectors, k: int, where: SearchFilter | None = None) -> list[Hits]:
        """The k nearest videos of every row of `vectors` [Q, D], in one request."""

    async def count(self) -> int:
        """How many videos can be found."""

    async def close(self) -> None:
        """Close connections and files."""
