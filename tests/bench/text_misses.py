"""Which titles do not find their English twin, and what they find instead: `python -m tests.bench.text_misses [MODEL]`.

Of the titles of `python -m tests.bench.text_models`, among the same 248; a title may be at fault, and not the model.
"""

import argparse
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from encoders.base import Vectors
from encoders.modalities.text import TextEncoder
from encoders.modalities.text_models import TEXT_MODELS
from encoders.models.manifest import folder_of
from tests.bench.ground import Ground
from tests.bench.text_models import LABELLED, pools, read


class Miss(NamedTuple):
    """A title, its English twin, and the English title that is nearer; rank 2: the twin is the second."""

    title: str
    twin: str
    found: str
    to_twin: float
    to_found: float
    rank: int


def misses(
    titles: Sequence[str], vectors: Vectors, english: Sequence[str], pool: Vectors, places: Sequence[int]
) -> Iterator[Miss]:
    """Compare titles [N, D] with English ones [M, D], each one's twin at its place."""
    for title, cosines, place in zip(titles, vectors @ pool.T, places, strict=True):
        nearest = int(cosines.argmax())
        if nearest != place:
            rank = int((cosines > cosines[place]).sum()) + 1
            yield Miss(title, english[place], english[nearest], float(cosines[place]), float(cosines[nearest]), rank)


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m tests.bench.text_misses", description="Titles that miss their twin.")
    parser.add_argument("model", nargs="?", default="multilingual", choices=sorted(TEXT_MODELS))
    encoder = TextEncoder(folder_of(Ground.defaults().cache_dir), model=parser.parse_args(given).model, provider="cpu")
    english, by_language = pools(read(LABELLED))
    pool = encoder.encode(english)
    print("| in | title | its twin | cosine, rank | found | cosine |\n|---|---|---|---|---|---|")
    for language, (texts, places) in by_language.items():
        for one in misses(texts, encoder.encode(texts), english, pool, places.tolist()):
            cells = (language, one.title, one.twin, f"{one.to_twin:.2f}, {one.rank}", one.found, f"{one.to_found:.2f}")
            print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
