"""Search by words over several vectors of each video: its title's, and what was seen and heard in it."""

from collections.abc import Callable, Mapping, Sequence

from ranker.catalogue.arrays import Vectors
from ranker.library.library import Hit, VideoLibrary
from ranker.retrieval.index import SearchFilter

Scales = Mapping[str, Callable[[float], float]]  # by the name of the vectors: their cosines to a common height


def near_words(
    library: VideoLibrary, vector: Vectors, scales: Scales, k: int, where: SearchFilter | None = None
) -> list[Hit]:
    """The k videos that are nearest to the vector [D] of some words by any of their vectors of these names."""
    return merged({name: library.near(vector, name, k, where) for name in scales}, scales, k)


def merged(found: Mapping[str, Sequence[Hit]], scales: Scales, k: int) -> list[Hit]:
    """The k best of what was found by each name, best first, ties by id; every video once, by what it fits best.

    Exact where each name gave its k best: what one of them left out is behind k others by that name.
    """
    best: dict[str, Hit] = {}
    for name, hits in found.items():
        for hit in hits:
            score, known = scales[name](hit.score), best.get(hit.video.video_id)
            if known is None or score > known.score:
                best[hit.video.video_id] = Hit(hit.video, score, name)
    return sorted(best.values(), key=lambda hit: (-hit.score, hit.video.video_id))[:k]
