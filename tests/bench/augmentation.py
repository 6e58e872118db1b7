"""Does augmentation help the attention? `python -m tests.bench.augmentation`.

In the made-up worlds of `tests.bench.fusion`, the weights are learned with several views of each video: its title with
words left out, its pictures cropped, mirrored and lit otherwise, or one of them alone. Each step draws a view of every
video and modality. The videos are judged as they are, without augmentation. Every way sees the same worlds, so ways are
compared world by world.

The rule, set before any figure was there: a way is adopted if the recall, as the mean of the four columns, gains in
one of the cases with 95 % confidence, and neither recall nor kind loses in any. With five ways and three cases one such
gain in three runs would be chance, so it has to be there again in other worlds.
"""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.base import Vectors
from encoders.fusion.fusion import load_fusion
from encoders.modalities.image import SIDE, Frames, ImageEncoder
from encoders.modalities.text import TextEncoder
from encoders.models.manifest import folder_of
from ranker.learning.fusion import MODALITY_DROPOUT, Learned, Rows, learn
from schemas.settings.load import load
from schemas.settings.model import Settings
from streams.operations.train_fusion import EPOCHS, initial_weights, to_attention
from tests.bench.fusion import LOSSES, K, Mask, World, encoded, header, judged, world
from tests.support.models import built_in

WORLDS = 5
TEXT_VIEWS, IMAGE_VIEWS = 3, 2  # beside the video as it is
LEFT_OUT = 0.5  # share of the picture views that keep one of the two pictures alone
SEEN = 0.7  # share of the videos that are learned from where the others are judged
# of Student's t, two-sided 95 %, by degrees of freedom from 1 on
T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)

Figures = NDArray[np.float64]


class Way(NamedTuple):
    """What is varied in learning."""

    words: float = 0.0  # chance of each word to be left out
    frames: bool = False
    dropped: float = MODALITY_DROPOUT


class Case(NamedTuple):
    """What is learned from, and who is judged."""

    pairs: Rows
    epochs: int
    asked: Mask | None = None


AS_IT_IS, MEAN = "as it is", "the weighted mean, nothing learned"
WAYS = {
    AS_IT_IS: Way(),
    "no modality left out": Way(dropped=0.0),
    "words, 0.1": Way(words=0.1),
    "words, 0.2": Way(words=0.2),
    "pictures": Way(frames=True),
    "words, 0.1, and pictures": Way(words=0.1, frames=True),
}
CASES = ("all pairs", "a tenth of the pairs", "unseen videos")


class Views:
    """Looks like an array [N, D] that holds one view of each video, drawn anew whenever rows are taken.

    views  float32 [V, N, D]
    """

    def __init__(self, views: Vectors, seed: int) -> None:
        self._views, self._chance = views, np.random.default_rng(seed)

    def __getitem__(self, rows: Any) -> Any:
        return self._views[self._chance.integers(0, len(self._views), len(rows)), rows]


def fewer_words(text: str | None, share: float, chance: np.random.Generator) -> str:
    """The text without some of its words; one at least stays."""
    words = re.findall(r"\S+", text or "")
    kept = [word for word, drawn in zip(words, chance.random(len(words)).tolist(), strict=True) if drawn >= share]
    return " ".join(kept or words[:1])


def varied(frames: Frames, chance: np.random.Generator) -> Frames:
    """Pictures cropped to 0.7 to 1 of their sides, perhaps mirrored, lit otherwise; at times one of them alone."""
    kept = frames[[int(chance.integers(len(frames)))]] if chance.random() < LEFT_OUT else frames
    return np.stack([_varied(frame, chance) for frame in kept])


def _varied(frame: Frames, chance: np.random.Generator) -> Frames:
    side = round(SIDE * chance.uniform(0.7, 1.0))
    top, left = chance.integers(0, SIDE - side + 1, 2)
    nearest = np.arange(SIDE) * side // SIDE
    if chance.random() < 0.5:
        nearest = nearest[::-1]
    cropped = frame[top + np.arange(SIDE) * side // SIDE][:, left + nearest].astype(np.float32)
    contrast, light = chance.uniform(0.8, 1.2), chance.uniform(-25, 25)
    middle = cropped.mean()
    return ((cropped - middle) * contrast + middle + light).clip(0, 255).astype(np.uint8)


class Study:
    """One world with its views encoded once, and what each way makes of it."""

    def __init__(self, settings: Settings, made: World, seed: int) -> None:
        self._seed, self._made, self._start = seed, made, initial_weights(settings)
        folder = folder_of(settings.cache_dir)
        self._vectors, self._mean = encoded(folder, made), load_fusion(built_in(folder), "mean")
        self._text, self._image = TextEncoder(folder, provider="cpu"), ImageEncoder(folder, provider="cpu")
        self._words, self._frames = cache(self._text_views), cache(self._image_views)

    def cases(self, epochs: int = EPOCHS) -> dict[str, Case]:
        """What is compared, with the same pairs for every way."""
        early, chance = self._made.early, np.random.default_rng((self._seed, 1))
        seen = chance.random(len(self._made.kinds)) < SEEN
        few = chance.permutation(len(early))[: len(early) // 10]
        known = Case(early[seen[early].all(axis=1)], EPOCHS, ~seen)
        return dict(zip(CASES, (Case(early, EPOCHS), Case(early[few], epochs), known), strict=True))

    def figures(self, way: Way, case: Case) -> list[tuple[float, float]]:
        """By column the share of the same kind and the recall."""
        return judged(to_attention(self.weights(way, case)), self._vectors, self._made, self._seed, case.asked)

    def mean(self, case: Case) -> list[tuple[float, float]]:
        """The same where nothing is learned."""
        return judged(self._mean, self._vectors, self._made, self._seed, case.asked)

    def weights(self, way: Way, case: Case) -> Learned:
        """What is learned this way."""
        given: dict[str, Any] = dict(self._vectors)
        if way.words:
            given["text"] = Views(self._words(way.words), self._seed)
        if way.frames:
            given["image"] = Views(self._frames(), self._seed + 1)
        return learn(given, case.pairs, self._start, epochs=case.epochs, dropout=way.dropped, seed=self._seed)

    def _text_views(self, share: float) -> Vectors:
        chance = np.random.default_rng((self._seed, 2))
        texts = [[fewer_words(text, share, chance) for text in self._made.texts] for _ in range(TEXT_VIEWS)]
        return np.stack([self._vectors["text"], *(self._text.encode(view) for view in texts)])

    def _image_views(self) -> Vectors:
        chance = np.random.default_rng((self._seed, 3))
        views = [[varied(frames, chance) for frames in self._made.frames] for _ in range(IMAGE_VIEWS)]
        return np.stack([self._vectors["image"], *(self._image.encode(view) for view in views)])


def paired(gains: Figures) -> tuple[float, float, float]:
    """Mean of [W] differences, and where it lies with 95 % by Student's t.

    >>> [round(one, 3) for one in paired(np.array([1.0, 2.0, 3.0]))]
    [2.0, -0.484, 4.484]
    """
    mean = float(gains.mean())
    reach = T[len(gains) - 2] * float(gains.std(ddof=1)) / len(gains) ** 0.5
    return mean, mean - reach, mean + reach


def verdict(gains: Mapping[str, Figures]) -> str:
    """What the rule says of a way, by its differences [W, columns, 2] in each case."""
    kinds, recalls = ([paired(of_case[:, :, what].mean(axis=1)) for of_case in gains.values()] for what in (0, 1))
    helps = any(low > 0 for _, low, _ in recalls) and not any(high < 0 for _, _, high in kinds + recalls)
    return "adopted" if helps else "left out"


def told(found: Mapping[str, Mapping[str, Figures]]) -> list[str]:
    """The tables, and the decision, of figures [W, columns, 2] by case and way."""
    lines = []
    for case, ways in found.items():
        lines += [f"| {case} | " + " | ".join(LOSSES) + " |", "|---|" + "---|" * len(LOSSES)]
        for way, figures in ways.items():
            means, spread = figures.mean(axis=0), figures.std(axis=0, ddof=1)
            cells = [
                " / ".join(f"{mean:.3f} ± {sd:.3f}" for mean, sd in zip(*both, strict=True))
                for both in zip(means, spread, strict=True)
            ]
            lines.append(f"| {way} | " + " | ".join(cells) + " |")
        lines.append("")
    lines += header([*(f"{case}, {what}" for case in found for what in ("kind", "recall")), "decision"])
    for way in (MEAN, *WAYS):
        if way == AS_IT_IS:
            continue
        gains = {case: ways[way] - ways[AS_IT_IS] for case, ways in found.items()}
        cells = [
            "{:+.4f} ({:+.4f} to {:+.4f})".format(*paired(of_case[:, :, what].mean(axis=1)))
            for of_case in gains.values()
            for what in (0, 1)
        ]
        lines.append(f"| {way} | " + " | ".join([*cells, "" if way == MEAN else verdict(gains)]) + " |")
    return [line.replace("-0.", "−0.") for line in lines]


def measured(
    settings: Settings, worlds: Sequence[int], epochs: int = EPOCHS, cases: Sequence[str] = CASES, **size: int
) -> dict[str, dict[str, Figures]]:
    """Figures [W, columns, 2] by case and way, of the worlds of these seeds."""
    rows: dict[str, dict[str, list[Any]]] = {case: {way: [] for way in (MEAN, *WAYS)} for case in cases}
    for seed in worlds:
        study = Study(settings, world(seed, **size), seed)
        of_world = study.cases(epochs)
        for name in cases:
            rows[name][MEAN].append(study.mean(of_world[name]))
            for called, way in WAYS.items():
                rows[name][called].append(study.figures(way, of_world[name]))
            print(f"world {seed}: {name}", file=sys.stderr)
    return {case: {way: np.array(of_way) for way, of_way in ways.items()} for case, ways in rows.items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.augmentation", description=__doc__)
    parser.add_argument("--worlds", type=int, default=WORLDS, choices=range(2, len(T) + 2), metavar="2..10")
    parser.add_argument("--first", type=int, default=0, help="seed of the first world")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="times over a tenth of the pairs")
    parser.add_argument("--only", choices=CASES, help="one of the cases alone")
    given = parser.parse_args()
    worlds = range(given.first, given.first + given.worlds)
    print(f"share of the {K} nearest that are of the same kind / recall@{K}, mean and deviation over worlds;")
    print(f"then the difference from `{AS_IT_IS}`, mean of the four columns, world by world, with 95 %\n")
    cases = (given.only,) if given.only else CASES
    print("\n".join(told(measured(load({}, {}, None).settings, worlds, given.epochs, cases))))


if __name__ == "__main__":
    main()
