"""Ways of fusing compared: `python -m tests.bench.fusion`.

A made-up world: titles, pictures and sounds of ten kinds, and people who watch what is of their taste. Pictures are
coloured shapes, sounds chords, each with so much noise that no modality tells the kinds apart for certain. The weights
of the attention are learned from the first seven tenths of the events and judged on the videos that people watched
together in the rest. So the figures compare ways; they promise nothing about real videos.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.base import Vectors, text_of
from encoders.fusion.fusion import load_fusion
from encoders.modalities.audio import AudioEncoder
from encoders.modalities.image import Frames, ImageEncoder
from encoders.modalities.text import TextEncoder
from encoders.models.manifest import folder_of
from ranker.learning.fusion import Rows, both_ways, co_recall, co_watched, learn
from ranker.simulation.titles import KINDS
from ranker.simulation.world import SPAN_MS, simulated_log
from schemas.messages.videos import Upload
from schemas.settings.load import load
from schemas.settings.model import Settings
from streams.operations.train_fusion import initial_weights, to_attention, to_watched
from tests.support.models import built_in

SEED, PEOPLE, VIDEOS, EVENTS = 0, 400, 400, 24_000
MODALITIES = tuple(built_in().dims)
EARLY = 0.7  # of the events are learned from
K = 10
HEARD, SIDE = 48_000, 224
LOSSES = {"everything": None, **{f"half without {name}": name for name in MODALITIES}}

Kinds = NDArray[np.int64]
Mask = NDArray[np.bool_]


class World(NamedTuple):
    """N videos with what they say, show and sound like, and who watched what in order of time."""

    texts: list[str | None]
    frames: list[Frames]
    sounds: list[Vectors]
    kinds: Kinds
    early: Rows  # videos watched together, to learn from
    late: Rows  # to be judged by


def world(seed: int = SEED, people: int = PEOPLE, videos: int = VIDEOS, events: int = EVENTS) -> World:
    """The world of a seed."""
    log = list(simulated_log(seed, people, videos, events, 1_650_000_000_000 - SPAN_MS))
    uploads = [one for one in log if isinstance(one, Upload)]
    watches = [watched for one in log if not isinstance(one, Upload) and (watched := to_watched(one))]
    known = {one.video_id: row for row, one in enumerate(uploads)}
    cut = watches[int(EARLY * len(watches))].at_ms
    kinds = [list(KINDS).index(one.category or "") for one in uploads]
    rng = np.random.default_rng(seed)
    return World(
        texts=[text_of(one.title, one.description) for one in uploads],  # the category would give the kind away
        frames=[pictures(kind, rng) for kind in kinds],
        sounds=[sound(kind, rng) for kind in kinds],
        kinds=np.array(kinds),
        early=co_watched([one for one in watches if one.at_ms < cut], known),
        late=co_watched([one for one in watches if one.at_ms >= cut], known),
    )


def encoded(folder: Path, made: World) -> dict[str, Vectors]:
    """The vectors of a world's videos by modality."""
    return {
        "text": TextEncoder(folder, provider="cpu").encode(made.texts),
        "image": ImageEncoder(folder, provider="cpu").encode(made.frames),
        "audio": AudioEncoder(folder, provider="cpu").encode(made.sounds),
    }


def pictures(kind: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Two pictures: a shape of the kind's form somewhere on any ground; three of ten show another kind's form."""
    form = kind if rng.random() < 0.7 else int(rng.integers(len(KINDS)))
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    made = []
    for _ in range(2):
        y, x = rng.uniform(70, SIDE - 70, 2)
        angle = np.arctan2(rows - y, columns - x)
        edge = 50 * (1 + 0.35 * np.cos((form + 1) * angle))  # a flower of so many petals
        inside = np.hypot(rows - y, columns - x) < edge
        picture = np.where(inside[..., None], rng.uniform(0, 255, 3), rng.uniform(0, 255, 3))
        made.append((picture + rng.normal(0, 25, picture.shape)).clip(0, 255).astype(np.uint8))
    return np.stack(made)


def sound(kind: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Three seconds of beats at the kind's pace over a drone in noise; three of ten are of another kind."""
    pace = kind if rng.random() < 0.7 else int(rng.integers(len(KINDS)))
    at = np.arange(HEARD) / 16_000
    beat = np.exp(-8 * ((at * (1 + pace)) % 1.0)) * np.sin(2 * np.pi * (80 + 60 * pace) * at)
    return (0.5 * beat + rng.normal(0, rng.uniform(0.05, 0.2), HEARD)).astype(np.float32)


def same_kind(fused: Vectors, kinds: Kinds, asked: Mask) -> float:
    """Of the ten nearest of each video that is asked, how many are of its kind."""
    there = fused.any(axis=1)
    rows = np.flatnonzero(there & asked)
    scores = np.where(there, fused[rows] @ fused.T, -2)
    scores[np.arange(len(rows)), rows] = -2
    order = np.argsort(-scores, axis=1, kind="stable")[:, :K]
    return float((kinds[order] == kinds[rows][:, None]).mean())


def judged(
    fuse: Callable[[Mapping[str, Vectors]], Vectors],
    vectors: Mapping[str, Vectors],
    made: World,
    seed: int = SEED,
    asked: Mask | None = None,
) -> list[tuple[float, float]]:
    """With each loss the share of the same kind and the recall, of the videos that are asked."""
    asked = np.ones(len(made.kinds), np.bool_) if asked is None else asked
    pairs = both_ways(made.late)
    pairs = pairs[asked[pairs[:, 0]]]
    chance = np.random.default_rng(seed).random(len(made.kinds)) < 0.5
    found = []
    for lost in LOSSES.values():
        given = {name: np.where((chance & (name == lost))[:, None], 0, rows) for name, rows in vectors.items()}
        fused = fuse({name: rows.astype(np.float32) for name, rows in given.items()})
        found.append((same_kind(fused, made.kinds, asked), co_recall(fused, pairs, K)))
    return found


def header(columns: Sequence[str]) -> list[str]:
    """The two lines on top of a Markdown table whose rows have names."""
    return ["| | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]


def table(settings: Settings) -> list[str]:
    """The Markdown table: each way, with everything and without one modality of half of the videos."""
    folder, made = folder_of(settings.cache_dir), world()
    vectors = encoded(folder, made)
    mean = load_fusion(built_in(folder), "mean")
    weights = learn(
        vectors,
        made.early,
        initial_weights(settings),
        on_epoch=lambda epoch, loss: print(f"epoch {epoch}: loss {loss:.3f}", file=sys.stderr),
    )
    ways: dict[str, Callable[[Mapping[str, Vectors]], Vectors]] = {
        **{f"{name} alone": lambda given, name=name: mean({name: given[name]}) for name in MODALITIES},  # type: ignore[misc]
        "concat": load_fusion(built_in(folder), "concat"),
        "mean": mean,
        "attention": to_attention(weights),
    }
    lines = header(list(LOSSES))
    for way, fuse in ways.items():
        cells = [f"{kind:.3f} / {recall:.3f}" for kind, recall in judged(fuse, vectors, made)]
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    argparse.ArgumentParser(prog="python -m tests.bench.fusion", description=__doc__).parse_args()
    print(f"share of the {K} nearest that are of the same kind / recall@{K} of videos watched together")
    print("\n".join(table(load({}, {}, None).settings)))


if __name__ == "__main__":
    main()
