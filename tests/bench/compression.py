"""What the text model loses when it is made smaller, on real titles: `python -m tests.bench.compression DIR`.

Every variant is a model file of its own in a folder of its own, opened by the encoder as in service.
"""

import argparse
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from encoders.base import Vectors, unit_rows
from encoders.fusion.fusion import Fusion, load_fusion
from encoders.fusion.projection import maps_of
from encoders.modalities.text import TextEncoder
from encoders.modalities.text_models import MINILM, TOKENIZER
from encoders.models import manifest
from encoders.models.manifest import EXPORTER, WEIGHTS, Manifest
from streams.errors import OperatorError
from tests.bench.films import FOLDER, read
from tests.bench.ground import Ground
from tests.bench.machine import on_two_cores
from tests.bench.metrics import interval
from tests.support.models import built_in

K = 10
LEAST, TITLES = 0.95, 5000  # the rule: int8 has to keep so much of fp32's neighbours, on so many titles
DIMS = (384, 256, 192, 128, 96, 64)
BATCH, TIMED, ROUNDS = 32, 256, 5
ROWS = 512  # of the similarity matrix at a time
MEGA = 1e6

Make = Callable[[Path, Path], None]  # source, target
Neighbours = NDArray[np.int64]  # [N, k]


def halved(source: Path, target: Path) -> None:
    """Weights in fp16 that the runtime turns back into fp32 when it opens the file."""
    model = onnx.load(source)
    graph = model.graph
    weights = [one for one in graph.initializer if one.data_type == TensorProto.FLOAT and len(one.dims)]
    for one in weights:
        half = numpy_helper.from_array(numpy_helper.to_array(one).astype(np.float16), f"{one.name}.half")
        graph.initializer.remove(one)
        graph.initializer.append(half)
        graph.node.insert(0, helper.make_node("Cast", [half.name], [one.name], to=TensorProto.FLOAT))
    onnx.save(model, target)


def pruned(share: float) -> Make:
    """The smallest weights of each matrix or kernel made zero; the file stays as long, and packs better."""

    def prune(source: Path, target: Path) -> None:
        model = onnx.load(source)
        for one in model.graph.initializer:
            if one.data_type == TensorProto.FLOAT and len(one.dims) >= 2:
                weights = numpy_helper.to_array(one)
                kept = np.abs(weights) >= np.quantile(np.abs(weights), share)
                one.CopyFrom(numpy_helper.from_array(weights * kept, one.name))
        onnx.save(model, target)

    return prune


def quantised(source: Path, target: Path) -> None:
    """int8 throughout, with scales taken over each call."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(source, target, per_channel=True, weight_type=QuantType.QInt8)


def quantised_products(source: Path, target: Path) -> None:
    """int8 in the matrix products alone; the table of words stays fp32."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(source, target, per_channel=True, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"])


def copied(source: Path, target: Path) -> None:
    target.symlink_to(source.resolve())


VARIANTS: dict[str, Make] = {
    "fp32": copied,
    "fp16 weights": halved,
    "int8 dynamic": quantised,
    "int8 dynamic, products only": quantised_products,
    "30 % pruned": pruned(0.3),
    "50 % pruned": pruned(0.5),
}


class Variant(NamedTuple):
    """A model of the comparison: its file, packed and not, and what it makes of the titles."""

    size: int  # bytes
    packed: int
    encoder: TextEncoder
    vectors: Vectors


def opened(models: Path, aside: Path, make: Make) -> tuple[Path, TextEncoder]:
    """Make a variant's file in a folder with a manifest of its own, and open it."""
    aside.mkdir()
    path = aside / MINILM.file
    make(models / MINILM.file, path)
    copied(models / TOKENIZER, aside / TOKENIZER)
    files = (manifest.describe(one, source="tests.bench", licence="as its source") for one in (path, aside / TOKENIZER))
    manifest.write(aside, Manifest(WEIGHTS, EXPORTER, tuple(files)))
    # one text a call where it is quantised: the other texts would change a vector (cosine 0.985 to 0.991)
    return path, TextEncoder(aside, model="minilm", provider="cpu", exact=make in (quantised, quantised_products))


def variants(models: Path, folder: Path, titles: Sequence[str], level: int) -> dict[str, Variant]:
    found = {}
    for number, (name, make) in enumerate(VARIANTS.items()):
        path, encoder = opened(models, folder / str(number), make)
        content = path.read_bytes()
        found[name] = Variant(len(content), len(zlib.compress(content, level)), encoder, encoder.encode(titles))
        print(f"{name}: encoded", file=sys.stderr)
    return found


def ms_a_text(encoder: TextEncoder, titles: Sequence[str], batch: int) -> float:
    """CPU time of one thread, nothing remembered."""
    encoder._recent.clear()
    began_s = time.process_time()
    for start in range(0, len(titles), batch):
        encoder.encode(titles[start : start + batch])
    return (time.process_time() - began_s) * 1000 / len(titles)


def times(encoders: Mapping[str, TextEncoder], titles: Sequence[str], rounds: int) -> dict[str, tuple[float, float]]:
    """The best of several rounds, alone and 32 a call; in each round everybody's turn comes."""
    some = titles[:: max(len(titles) // TIMED, 1)][:TIMED]
    found = [
        [[ms_a_text(encoder, some, batch) for batch in (1, BATCH)] for encoder in encoders.values()]
        for _ in range(rounds)
    ]
    best = np.min(found, axis=0)
    return {name: (alone, together) for name, (alone, together) in zip(encoders, best.tolist(), strict=True)}


def neighbours(rows: Vectors, k: int = K) -> Neighbours:
    """The k nearest others of each of [N, D]."""
    found = []
    for start in range(0, len(rows), ROWS):
        cosines = rows[start : start + ROWS] @ rows.T
        itself = np.arange(len(cosines))
        cosines[itself, start + itself] = -np.inf
        found.append(np.argpartition(cosines, -k, axis=1)[:, -k:])
    return np.concatenate(found)


def kept(reference: Neighbours, found: Neighbours) -> NDArray[np.float64]:
    """Recall of each row's neighbours [N].

    >>> kept(np.array([[1, 2], [0, 2]]), np.array([[2, 3], [2, 0]])).tolist()
    [0.5, 1.0]
    """
    same = (reference[:, :, None] == found[:, None, :]).sum(axis=(1, 2))
    return same / reference.shape[1]


def as_int8(vectors: Vectors) -> Vectors:
    """Vectors as they come back from one byte a number, the largest of each being 127."""
    scale = np.abs(vectors).max(axis=1, keepdims=True) / 127
    return unit_rows(np.round(vectors / np.where(scale > 0, scale, 1)) * scale)


class Agreement(NamedTuple):
    """How like fp32's a model's vectors are, title by title [N]."""

    cosines: NDArray[np.floating]
    recall: NDArray[np.float64]  # of the 10 nearest
    short: NDArray[np.float64]  # the same, both projected to 256 dimensions


def agreements(found: Mapping[str, Variant], fusion: Fusion) -> dict[str, Agreement]:
    exact = found["fp32"].vectors
    near, near_short = neighbours(exact), neighbours(fusion({"text": exact}))
    return {
        name: Agreement(
            (one.vectors * exact).sum(axis=1),
            kept(near, neighbours(one.vectors)),
            kept(near_short, neighbours(fusion({"text": one.vectors}))),
        )
        for name, one in found.items()
    }


def model_row(name: str, one: Variant, spent: tuple[float, float], agreement: Agreement) -> str:
    sizes = f"{one.size / MEGA:.1f} | {one.packed / MEGA:.1f}"
    told = _told(agreement.cosines, agreement.recall)
    return f"| {name} | {sizes} | {spent[0]:.2f} | {spent[1]:.2f} | {told} | {agreement.short.mean():.3f} |"


def vector_rows(exact: Vectors, matrix: Vectors) -> list[str]:
    """A line of Markdown for each length and way of storing; a cosine is that to the vector's own shadow."""
    near, rows = neighbours(exact), []
    for dim in DIMS:
        directions = matrix[:, :dim] if dim < exact.shape[1] else np.eye(dim, dtype=np.float32)
        short = unit_rows(exact @ directions)
        stored = {"fp32": (4 * dim, short), "fp16": (2 * dim, unit_rows(short.astype(np.float16).astype(np.float32)))}
        stored["int8"] = dim + 4, as_int8(short)  # and its scale
        for name, (size, vectors) in stored.items():
            cosines = (exact * (vectors @ directions.T)).sum(axis=1)
            rows.append(f"| {dim} | {name} | {size:,} | {_told(cosines, kept(near, neighbours(vectors)))} |")
    return rows


def _told(cosines: NDArray[np.floating], recall: NDArray[np.float64]) -> str:
    low, high = interval(recall)
    return f"{cosines.mean():.4f} | {cosines.min():.4f} | {recall.mean():.3f} | {low:.3f} to {high:.3f}"


def verdict(name: str, recall: float, titles: int) -> str:
    """What the rule says of a smaller model."""
    if titles < TITLES:
        return f"{name}: {titles:,} titles are too few to decide; the rule asks for {TITLES:,}."
    if recall >= LEAST:
        return f"{name} keeps {recall:.3f} of fp32's neighbours, at least {LEAST}: it may become the default."
    return f"{name} keeps {recall:.3f} of fp32's neighbours, less than {LEAST}: fp32 stays the default."


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m tests.bench.compression", description="Smaller text models.")
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER, metavar="DIR", help="MovieLens")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of timing; the best counts")
    parser.add_argument("--level", type=int, default=zlib.Z_DEFAULT_COMPRESSION, help="of packing; 1 is the quickest")
    asked = parser.parse_args(given)
    try:
        titles = list(dict.fromkeys(read(asked.folder).titles))
    except OperatorError as trouble:
        sys.exit(f"{trouble}")
    on_two_cores()
    models = manifest.folder_of(Ground.defaults().cache_dir)
    fusion = load_fusion(built_in(models))
    with tempfile.TemporaryDirectory(prefix="freshet-bench-") as folder:
        found = variants(models, Path(folder), titles, asked.level)
        spent = times({name: one.encoder for name, one in found.items()}, titles, asked.rounds)
    agreed = agreements(found, fusion)
    columns = f"cosine, mean | least | recall@{K} | 95 %"
    print(f"{len(titles):,} different titles; ms are CPU time of one thread a title, best of {asked.rounds} rounds.\n")
    print(f"| model | MB | deflated | ms alone | ms, {BATCH} a call | {columns} | of 256 d |\n|{'---|' * 10}")
    print("\n".join(model_row(name, one, spent[name], agreed[name]) for name, one in found.items()))
    for name in list(VARIANTS)[1:]:
        print(f"\n{verdict(name, float(agreed[name].recall.mean()), len(titles))}")
    print(f"\n| dimensions | stored as | bytes | {columns} |\n|{'---|' * 7}")
    print("\n".join(vector_rows(found["fp32"].vectors, maps_of(built_in(models), "mean")["text"])))


if __name__ == "__main__":
    main()
