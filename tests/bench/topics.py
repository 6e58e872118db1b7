"""How often a title's topic is found, by text model and language: `python -m tests.bench.topics`.

260 titles, ten of each of the 26 topics, each in English and in one of ten other languages, made up for this and
checked by nobody else. With --fit the topics of multilingual vectors are learned again from the 208 other titles of
`labelled_titles.json`, and it prints the least cosine from which on 80 % of the tags are right, of titles left out.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.annotate.tags import LEARNED, MAX_TOPICS, MIN_TOPIC_COSINES, TOPICS, Topics, above
from encoders.base import TextModelName, Vectors, unit_rows
from encoders.modalities.text import TextEncoder
from encoders.models.manifest import folder_of
from tests.bench.ground import Ground
from tests.bench.text_models import LABELLED, read, wilson
from tests.bench.titles import ENGLISH

TITLES = Path(__file__).with_name("topic_titles.json")
BEFORE = 0.30  # the least cosine that was fitted to no model
PRECISION = 0.8  # of tags, which the least cosine is to reach
PARTS = 8  # as many as there are titles of a topic to learn from: each part leaves out one of each


class Asked(NamedTuple):
    """Titles: their text, language, the place of their topic, and a number that translations share."""

    texts: list[str]
    languages: NDArray[np.str_]
    topics: NDArray[np.int64]
    numbers: NDArray[np.int64]


class Tagged(NamedTuple):
    """What tagging does to titles.

    nearest  share whose nearest topic is theirs
    found    share that get their topic as a tag
    right    share of the tags that are the title's topic
    """

    count: int
    nearest: float
    found: float
    right: float


def asked(path: Path) -> Asked:
    names = list(TOPICS)
    rows = [
        (text, language, names.index(row["topic"]), number)
        for number, row in enumerate(read(path))
        for language, text in row.items()
        if language != "topic"
    ]
    texts, languages, topics, numbers = zip(*rows, strict=True)
    return Asked(list(texts), np.array(languages), np.array(topics), np.array(numbers))


def learned(described: Vectors, titles: Vectors, topics: NDArray[np.int64]) -> Vectors:
    """Topics [T, D]: halfway from the description to the mean of its titles (Snell et al. 2017, "Prototypical
    networks"), less what all topics have in common, so that no topic is near to every title.
    """
    means = unit_rows(np.stack([titles[topics == topic].mean(axis=0) for topic in range(len(described))]))
    halfway = unit_rows(described + means)
    return unit_rows(halfway - halfway.mean(axis=0))


def left_out(described: Vectors, titles: Vectors, of: Asked) -> Vectors:
    """Cosines [N, T] of each title to topics that were learned without it and its translations."""
    cosines = np.zeros((len(titles), len(described)), np.float32)
    for part in range(PARTS):
        out = of.numbers % PARTS == part
        cosines[out] = titles[out] @ learned(described, titles[~out], of.topics[~out]).T
    return cosines


def tagged(cosines: Vectors, topics: NDArray[np.int64], least: float) -> Tagged:
    names = [str(topic) for topic in range(cosines.shape[1])]
    tags = [above(names, row, least, MAX_TOPICS) for row in cosines]
    hits = sum(str(topic) in found for topic, found in zip(topics.tolist(), tags, strict=True))
    given = sum(map(len, tags))
    nearest = float((cosines.argmax(axis=1) == topics).mean())
    return Tagged(len(topics), nearest, hits / len(topics), hits / given if given else float("nan"))


def least_cosine(cosines: Vectors, topics: NDArray[np.int64]) -> float:
    """The smallest of 0.1, 0.105, ... from which on enough of the tags are right."""
    steps = np.arange(0.1, 0.9, 0.005).round(3).tolist()
    return next(step for step in steps if tagged(cosines, topics, step).right >= PRECISION)


def fit(folder: Path, model: TextModelName, path: Path) -> float:
    """Write what a model's topics are, and return their least cosine."""
    encoder, of = TextEncoder(folder, model=model, provider="cpu"), asked(LABELLED)
    described, titles = encoder.encode(list(TOPICS.values())), encoder.encode(of.texts)
    vectors = learned(described, titles, of.topics)
    np.savez(path, names=np.array(list(TOPICS)), vectors=vectors, model=np.array(encoder.version))
    return least_cosine(left_out(described, titles, of), of.topics)


def measured(folder: Path, of: Asked) -> dict[str, tuple[Vectors, float]]:
    """Cosines [N, T] and the least one, before and after."""
    found = {}
    for model in MIN_TOPIC_COSINES:
        encoder = TextEncoder(folder, model=model, provider="cpu")
        titles = encoder.encode(of.texts)
        found[f"{model}, descriptions"] = Topics.of(encoder).cosines(titles), BEFORE
        if model in LEARNED:
            found[f"{model}, learned"] = Topics.read(LEARNED[model]).cosines(titles), MIN_TOPIC_COSINES[model]
    return found


def told(found: dict[str, tuple[Vectors, float]], of: Asked) -> str:
    """The tables as Markdown: nearest topic by language, then what is tagged."""
    languages = list(dict.fromkeys(of.languages.tolist()))
    lines = [f"| nearest topic is theirs, % | {' | '.join(languages)} |\n|{'---|' * (len(languages) + 1)}"]
    for name, (cosines, least) in found.items():
        parts = [tagged(cosines[of.languages == one], of.topics[of.languages == one], least) for one in languages]
        lines.append(f"| {name} | {' | '.join(f'{100 * part.nearest:.0f}' for part in parts)} |")
    lines.append(
        "\n| | least cosine | English: nearest | tagged with theirs | tags that are right "
        f"| in ten languages: nearest | tagged with theirs | tags that are right |\n|{'---|' * 8}"
    )
    for name, (cosines, least) in found.items():
        cells = []
        for rows in (of.languages == ENGLISH, of.languages != ENGLISH):
            part = tagged(cosines[rows], of.topics[rows], least)
            low, high = wilson(round(part.nearest * part.count), part.count)
            cells += [f"{part.nearest:.2f} ({low:.2f} to {high:.2f})", f"{part.found:.2f}", f"{part.right:.2f}"]
        lines.append(f"| {name} | {least} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m tests.bench.topics", description="Topics by text model and language.")
    parser.add_argument(
        "--fit", action="store_true", help="learn the topics of multilingual vectors again, and write them"
    )
    chosen = parser.parse_args(given)
    folder = folder_of(Ground.defaults().cache_dir)
    if chosen.fit:
        for model, path in LEARNED.items():
            print(f"{model}: least cosine {fit(folder, model, path)}\n")
    of = asked(TITLES)
    print(told(measured(folder, of), of))


if __name__ == "__main__":
    main()
