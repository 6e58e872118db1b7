"""What the checks of a text make of harmful and harmless titles, by language: `python -m tests.bench.gate`.

Twenty harmful and twenty harmless titles that sound like them (a cake to die for), in English and ten other languages;
and 1,000 ordinary titles. With --fit the scores of multilingual vectors are learned again from other titles
(`gate_lessons.json`). All were made up for this and checked by nobody else.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.base import TextModelName, Vectors
from encoders.modalities.text import TextEncoder
from encoders.models.manifest import folder_of
from encoders.moderation.harm import FITTED, Harm
from encoders.moderation.policy import THRESHOLDS
from encoders.moderation.toxicity import Toxicity
from schemas.messages.plain_text import bare_words
from tests.bench.ground import Ground
from tests.bench.text_models import LABELLED, read, wilson
from tests.bench.titles import titles
from tests.bench.topics import TITLES as ORDINARY

TITLES, LESSONS = (Path(__file__).with_name(name) for name in ("gate_titles.json", "gate_lessons.json"))
RIDGE = 1.0  # of the weights' squares
ORDINARY_WEIGHT = 0.25  # of an ordinary title, beside one that sounds harmful
STEPS = 60
PARTS = 6
HARD_FALSE = 0.05  # share of harmless titles that sound harmful which the threshold may limit, of titles left out


class Judged(NamedTuple):
    """Titles: their text, language, whether they are harmful, and a number that translations share."""

    texts: list[str]
    languages: NDArray[np.str_]
    harmful: NDArray[np.bool_]
    numbers: NDArray[np.int64]


def judged(path: Path) -> Judged:
    rows = [
        (text, language, row.get("kind") == "harmful", number)
        for number, row in enumerate(read(path))
        for language, text in row.items()
        if language not in ("kind", "topic")
    ]
    texts, languages, harmful, numbers = zip(*rows, strict=True)
    return Judged(list(texts), np.array(languages), np.array(harmful), np.array(numbers))


def logistic(rows: Vectors, harmful: NDArray[np.bool_], weights: Vectors) -> NDArray[np.float64]:
    """Weights [D + 1], the bias last, of a logistic regression with a ridge; by Newton's method."""
    x = np.concatenate([rows.astype(np.float64), np.ones((len(rows), 1))], axis=1)
    ridge = np.diag([*[RIDGE] * rows.shape[1], 1e-6])
    found = np.zeros(x.shape[1])
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-x @ found))
        slope = x.T @ (weights * (p - harmful)) + ridge @ found
        step = np.linalg.solve((x * (weights * p * (1 - p))[:, None]).T @ x + ridge, slope)
        found -= step
        if np.abs(step).max() < 1e-9:
            break
    return found


def scores(rows: Vectors, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-(rows @ weights[:-1] + weights[-1]))))


def fit(folder: Path, model: TextModelName, path: Path) -> tuple[float, float]:
    """Write the classifier; of titles left out, the threshold that few harmless ones reach, and what it finds."""
    encoder, lessons, ordinary = TextEncoder(folder, model=model, provider="cpu"), judged(LESSONS), judged(LABELLED)
    rows = encoder.encode([*lessons.texts, *ordinary.texts])
    harmful = np.concatenate([lessons.harmful, ordinary.harmful])
    weights = np.repeat([1, ORDINARY_WEIGHT], [len(lessons.texts), len(ordinary.texts)])
    found = logistic(rows, harmful, weights)
    np.savez(path, weights=found[:-1], bias=found[-1], model=np.array(encoder.version))
    numbers, without = np.concatenate([lessons.numbers, ordinary.numbers]), np.zeros(len(rows))
    for part in range(PARTS):
        out = numbers % PARTS == part
        without[out] = scores(rows[out], logistic(rows[~out], harmful[~out], weights[~out]))
    hard = without[: len(lessons.texts)]
    least = float(np.quantile(hard[~lessons.harmful], 1 - HARD_FALSE))
    return least, float((hard[lessons.harmful] >= least).mean())


def told(by: dict[str, NDArray[np.bool_]], of: Judged) -> str:
    """Markdown: by language the shares of harmful and of harmless titles that a check limits."""
    languages = list(dict.fromkeys(of.languages.tolist()))
    lines = [f"| limited, harmful / harmless, % | {' | '.join(languages)} | ten languages |\n|{'---|' * 13}"]
    for name, limited in by.items():
        cells = []
        for rows in (*(of.languages == one for one in languages), of.languages != "en"):
            bad, good = (limited[rows & (of.harmful == kind)] for kind in (True, False))
            cells.append(f"{100 * bad.mean():.0f} / {100 * good.mean():.0f}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def share(limited: NDArray[np.bool_]) -> str:
    low, high = wilson(int(limited.sum()), len(limited))
    return f"{limited.sum()} of {len(limited)} ({100 * low:.1f} to {100 * high:.1f} %)"


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m tests.bench.gate", description="Harmful titles by check and language.")
    parser.add_argument("--fit", action="store_true", help="learn the scores of vectors again, and write them")
    chosen = parser.parse_args(given)
    folder = folder_of(Ground.defaults().cache_dir)
    words, of = Toxicity(folder, bare_words), judged(TITLES)
    ordinary = [*judged(ORDINARY).texts, *(title for of_one in titles().values() for title in of_one)]

    def by_words(texts: Sequence[str]) -> NDArray[np.bool_]:
        return np.array([words(text) >= THRESHOLDS["toxicity"].limit for text in texts])

    found_by, of_ordinary = {"English words": by_words(of.texts)}, [f"English words {share(by_words(ordinary))}"]
    for model, path in FITTED.items():
        if chosen.fit:
            least, found = fit(folder, model, path)
            print(f"{model}, titles left out: threshold {least:.2f}, {100 * found:.0f} % of the harmful reach it\n")
        encoder, harm = TextEncoder(folder, model=model, provider="cpu"), Harm(path)
        by_vectors = [harm(row) >= THRESHOLDS["harm"].limit for row in encoder.encode([*of.texts, *ordinary])]
        found_by[f"{model}'s vectors"] = np.array(by_vectors[: len(of.texts)])
        found_by[f"both, {model}"] = found_by["English words"] | found_by[f"{model}'s vectors"]
        of_ordinary.append(f"{model}'s vectors {share(np.array(by_vectors[len(of.texts) :]))}")
    print(told(found_by, of))
    print(f"\nordinary titles limited by {', '.join(of_ordinary)}")


if __name__ == "__main__":
    main()
