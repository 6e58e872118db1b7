"""Ways of fusing compared: `python -m tests.bench.fusion`.

A made-up world: titles, pictures and sounds of ten kinds, and people who watch what is of their taste. Pictures are
coloured shapes, sounds chords, each with so much noise that no modality tells the kinds apart for certain. The weights
of the attention are learned from the first seven tenths of the events and judged on the videos that people watched
together in the rest. So the figures compare ways; they promise nothing about real videos.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoders.audio import AudioEncoder
from encoders.base import Vectors, text_of
from encoders.fuse import ATTENTION, BLOCKS, Fusion, load_fusion, read_attention, write_attention
from encoders.image import ImageEncoder
from encoders.manifest import folder_of
from encoders.text import TextEncoder
from ranker.simulate import KINDS, SPAN_MS, simulated_log
from ranker.train_fusion import Watched, co_watched, learn
from schemas.settings import Settings, load
from schemas.videos import Upload
from streams.fusing import start_of, watch_of

SEED, PEOPLE, VIDEOS, EVENTS = 0, 400, 400, 24_000
EARLY = 0.7  # of the events are learned from
K = 10
HEARD, SIDE = 48_000, 224


def world(settings: Settings) -> tuple[list[Upload], dict[str, Vectors], list[Watched]]:
    """Uploads, their vectors by modality, and who watched what in order of time."""
    log = list(simulated_log(SEED, PEOPLE, VIDEOS, EVENTS, 1_650_000_000_000 - SPAN_MS))
    uploads = [one for one in log if isinstance(one, Upload)]
    events = [watched for one in log if not isinstance(one, Upload) and (watched := watch_of(one))]
    folder = folder_of(settings.cache_dir)
    texts = [text_of(one.title, one.description) for one in uploads]  # the category would give the kind away
    kinds = [list(KINDS).index(one.category or "") for one in uploads]
    rng = np.random.default_rng(SEED)
    vectors = {
        "text": TextEncoder(folder, provider="cpu").encode(texts),
        "image": ImageEncoder(folder, provider="cpu").encode([pictures(kind, rng) for kind in kinds]),
        "audio": AudioEncoder(folder, provider="cpu").encode([sound(kind, rng) for kind in kinds]),
    }
    return uploads, vectors, events


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


def learned(settings: Settings, vectors: Mapping[str, Vectors], pairs: NDArray[np.int64]) -> Fusion:
    """The attention, after learning from the early pairs."""
    weights = learn(
        {name: rows.astype(np.float64) for name, rows in vectors.items()},
        pairs,
        start_of(settings),
        said=lambda epoch, loss: print(f"epoch {epoch}: loss {loss:.3f}", file=sys.stderr),
    )
    with tempfile.TemporaryDirectory() as folder:
        arrays = ({name: of.astype(np.float32) for name, of in kept.items()} for kept in (weights.maps, weights.gates))
        write_attention(Path(folder), *arrays)
        return read_attention(Path(folder) / ATTENTION)


def same_kind(fused: Vectors, kinds: NDArray[np.int64], there: NDArray[np.bool_]) -> float:
    """Of each video's ten nearest, how many are of its kind."""
    order = nearest(fused, there)
    return float((kinds[order] == kinds[there][:, None]).mean())


def co_recall(fused: Vectors, pairs: NDArray[np.int64], there: NDArray[np.bool_]) -> float:
    """Of the videos that were watched together with a video later on, how many are among its ten nearest."""
    place_of = np.cumsum(there) - 1
    order = nearest(fused, there)
    both = pairs[there[pairs].all(axis=1)]
    both = np.unique(np.concatenate([both, both[:, ::-1]]), axis=0)
    hits = (order[place_of[both[:, 0]]] == both[:, 1][:, None]).any(axis=1)
    return float(hits.mean())


def nearest(fused: Vectors, there: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The ten nearest of each video that has a vector [T, 10]."""
    rows = np.flatnonzero(there)
    scores = fused[rows] @ fused[rows].T
    np.fill_diagonal(scores, -2)
    return rows[np.argsort(-scores, axis=1, kind="stable")[:, :K]]


def table(settings: Settings) -> list[str]:
    """The Markdown table: each way, with everything and without one modality of half of the videos."""
    uploads, vectors, events = world(settings)
    known = {one.video_id: row for row, one in enumerate(uploads)}
    cut = events[int(EARLY * len(events))].at_ms
    early = co_watched([one for one in events if one.at_ms < cut], known)
    late = co_watched([one for one in events if one.at_ms >= cut], known)
    kinds = np.array([list(KINDS).index(one.category or "") for one in uploads])
    folder = folder_of(settings.cache_dir)
    mean = load_fusion(folder, "mean")
    ways: dict[str, Callable[[Mapping[str, Vectors]], Vectors]] = {
        **{f"{name} alone": lambda given, name=name: mean({name: given[name]}) for name in BLOCKS},  # type: ignore[misc]
        "concat": load_fusion(folder, "concat"),
        "mean": mean,
        "attention": learned(settings, vectors, early),
    }
    losses = {"everything": None, **{f"half without {name}": name for name in BLOCKS}}
    lines = ["| | " + " | ".join(losses) + " |", "|---|" + "---|" * len(losses)]
    chance = np.random.default_rng(SEED).random(len(uploads)) < 0.5
    for way, fuse in ways.items():
        cells = []
        for lost in losses.values():
            given = {name: np.where((chance & (name == lost))[:, None], 0, rows) for name, rows in vectors.items()}
            fused = fuse({name: rows.astype(np.float32) for name, rows in given.items()})
            there = fused.any(axis=1)
            cells.append(f"{same_kind(fused, kinds, there):.3f} / {co_recall(fused, late, there):.3f}")
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    argparse.ArgumentParser(prog="python -m tests.bench.fusion", description=__doc__).parse_args()
    print(f"share of the {K} nearest that are of the same kind / recall@{K} of videos watched together")
    print("\n".join(table(load({}, {}, None).settings)))


if __name__ == "__main__":
    main()
