"""Several modalities to the one vector that retrieval uses: side by side, weighted, or by learned attention."""

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Literal, NamedTuple, Protocol
from zipfile import BadZipFile

import numpy as np

from encoders.base import ModelError, Precision, Vectors, unit_rows
from encoders.manifest import EXPORTER, REMEDY, WEIGHTS, checked_bytes, key_of

RETRIEVAL_DIM = 256  # what a slate costs at 100,000 videos grows with this
BLOCKS = {"text": 192, "image": 48, "audio": 16}  # columns of the 256; a guess, see `Weighted`
PROJECTION = "projection.npy"
DIRECTIONS = {"text": PROJECTION, "image": "image_directions.npy", "audio": "audio_directions.npy"}
ATTENTION = "fusion-attention.npz"

Way = Literal["concat", "mean", "attention"]
Modalities = Mapping[str, Vectors]  # by name, float32 [N, D_m]: norm 1, or a zero row where a video lacks it


class Weights(NamedTuple):
    """How much each modality counts when two videos are compared. Guesses: nothing was tuned."""

    text: float = 1.0
    image: float = 1.0
    audio: float = 0.5


DEFAULT, EQUAL = Weights(), Weights(1.0, 1.0, 1.0)


class Fusion(Protocol):
    """Makes retrieval vectors [N, 256] of norm 1 of modalities; a zero row where everything is missing.

    `version` changes whenever the vectors may: vectors of two versions are not compared. Not a bit of a row
    depends on its batch.
    """

    @property
    def version(self) -> str: ...

    def __call__(self, modalities: Modalities) -> Vectors: ...


@dataclass(frozen=True, eq=False)
class Weighted:
    """Each modality mapped into the one space, weighed and added: a cosine is the weighted mean of their cosines.

    maps     by modality, float32 [D_m, 256]
    weights  of that mean

    A modality that either video lacks adds nothing to their cosine. The spaces are not aligned with each other, so the
    maps keep them apart: wholly in `concat`, where each has columns of its own; in `mean` pictures and sound lie where
    a text's vector is shortest, so that videos with a text alone keep all 256 dimensions of it. Of the 10 nearest
    among film titles by 384 dimensions 91 % are found by 256 and 73 % by 192.
    """

    maps: Mapping[str, Vectors]
    version: str
    weights: Weights = EQUAL

    def __call__(self, modalities: Modalities) -> Vectors:
        fused = np.zeros((_count(modalities), next(iter(self.maps.values())).shape[1]), np.float32)
        for name in self.maps:
            if name in modalities:
                fused += np.float32(np.sqrt(getattr(self.weights, name))) * projected(modalities[name], self.maps[name])
        return unit_rows(fused)


@dataclass(frozen=True, eq=False)
class Attention:
    """Modalities mapped into one space and weighed for each video by a learned softmax over those that it has.

    maps    by modality, float32 [D_m, 256]
    gates   by modality, float32 [D_m + 1]: what a vector says for its own modality, and a bias

    Learned from videos that the same people watched, see ranker/train_fusion.py; after the modality attention of
    Ma et al. 2018 (MARN is another) in the plain form of one score a modality.
    """

    maps: Mapping[str, Vectors]
    gates: Mapping[str, Vectors]
    version: str

    def __call__(self, modalities: Modalities) -> Vectors:
        fused = np.zeros((_count(modalities), RETRIEVAL_DIM), np.float32)
        shares = self.shares(modalities)
        for name in sorted(shares):
            fused += shares[name][:, None] * projected(modalities[name], self.maps[name])
        return unit_rows(fused)

    def shares(self, modalities: Modalities) -> dict[str, Vectors]:
        """How much each modality counts for each video: float32 [N] by name, adding up to 1 over what is there."""
        given = sorted(name for name in self.maps if name in modalities)
        has = np.stack([modalities[name].any(axis=1) for name in given])  # [M, N]
        scores = np.stack([_gate(modalities[name], self.gates[name]) for name in given])
        raised = np.where(has, np.exp(scores - scores.max(axis=0)), 0.0)
        shares = raised / np.maximum(raised.sum(axis=0), 1e-30)
        return dict(zip(given, shares.astype(np.float32), strict=True))


def version_of(fusion: str) -> str:
    """Of retrieval vectors that are fused so from the models of this Freshet; two of them never share an index."""
    return f"{key_of(WEIGHTS, EXPORTER)}-{fusion}"


VERSION = version_of("mean")  # unless the settings choose another way of fusing


def load_fusion(folder: Path, way: Way = "mean", learned: Path | None = None, pictures: Precision = "int8") -> Fusion:
    """Open one way of fusing; a ModelError says in a sentence what is missing or damaged.

    folder    of the models
    learned   of the attention's weights, which are made from a log and not with the models
    pictures  the precision of their encoder, which is part of the version
    """
    suffix = "" if pictures == "int8" else f"-{pictures}"
    if way == "attention":
        attention = read_attention((learned or folder) / ATTENTION)
        return replace(attention, version=attention.version + suffix)
    return Weighted(maps_of(folder, way), way + suffix, EQUAL if way == "concat" else DEFAULT)


def maps_of(folder: Path, way: Way) -> dict[str, Vectors]:
    """Where each modality lies in the one space [D_m, 256], see `Weighted`."""
    maps, first = {}, 0
    for name, width in BLOCKS.items():
        begin, stop = (0, RETRIEVAL_DIM) if (name, way) == ("text", "mean") else (first, first + width)
        directions = _directions(folder / DIRECTIONS[name], stop - begin)
        maps[name] = np.zeros((len(directions), RETRIEVAL_DIM), np.float32)
        maps[name][:, begin:stop] = directions
        first += width
    return maps


def write_attention(folder: Path, maps: Mapping[str, Vectors], gates: Mapping[str, Vectors]) -> str:
    """Keep learned weights under a name of their own content; returns their version.

    Who reads finds the old ones or the new ones, whole. Weights that could not be used are a ModelError, and the old
    ones stay.
    """
    kept = {f"map_{name}": maps[name] for name in maps} | {f"gate_{name}": gates[name] for name in gates}
    folder.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=folder, prefix=f"{ATTENTION}.", suffix=".new", delete=False) as made:
        aside = Path(made.name)
        try:
            np.savez(made, **kept)  # type: ignore[arg-type]  # its stubs take the names for flags
            made.flush()
            os.fsync(made.fileno())  # or a machine that fails may be left with the name and no content
            version = read_attention(aside).version
            aside.chmod(0o644)  # workers may be another user
            aside.replace(folder / ATTENTION)
        finally:
            aside.unlink(missing_ok=True)
    return version


def read_attention(path: Path) -> Attention:
    """Open learned weights; a ModelError says what is wrong with them."""
    remedy = "learn them with `freshet train-fusion`, or set fusion to mean"
    try:
        content = path.read_bytes()
        kept = dict(np.load(io.BytesIO(content), allow_pickle=False))
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}): {remedy}.") from error
    except (ValueError, EOFError, TypeError, BadZipFile) as error:
        raise ModelError(f"{path} is damaged ({error}): {remedy}.") from error
    maps = {name.removeprefix("map_"): kept[name] for name in kept if name.startswith("map_")}
    gates = {name.removeprefix("gate_"): kept[name] for name in kept if name.startswith("gate_")}
    fits = maps.keys() == gates.keys() and all(
        maps[name].ndim == 2 and maps[name].shape[1] == RETRIEVAL_DIM and gates[name].shape == (len(maps[name]) + 1,)
        for name in maps
    )
    if not (maps and fits and all(np.isfinite(array).all() for array in kept.values())):
        raise ModelError(f"{path} holds other weights than the fusion needs: {remedy}.")
    return Attention(maps, gates, f"attention-{sha256(content).hexdigest()[:8]}")


def projected(rows: Vectors, matrix: Vectors) -> Vectors:
    """Rows [N, D] along the columns of [D, d], each of norm 1; a zero row stays zero.

    Row by row: the bits of one product over the whole batch would depend on the batch.
    """
    if rows.shape[1] != matrix.shape[0]:
        raise ValueError(f"projected: got {rows.shape[1]} dimensions, needs {matrix.shape[0]}.")
    products = [row @ matrix for row in np.ascontiguousarray(rows)]
    return unit_rows(np.stack(products) if products else np.zeros((0, matrix.shape[1]), np.float32))


def principal_directions(vectors: Vectors, dim: int) -> Vectors:
    """The orthonormal directions [D, dim] that keep most of the inner products of [N, D], most first.

    Principal components without centring: retrieval compares by cosine, whose origin is zero, not the mean.
    Each direction's largest coordinate is made positive, so that the same vectors give the same signs.
    """
    wide = vectors.astype(np.float64)
    _, directions = np.linalg.eigh(wide.T @ wide)  # eigenvalues ascend
    kept = directions[:, ::-1][:, :dim]
    signs = np.sign(kept[np.abs(kept).argmax(axis=0), np.arange(kept.shape[1])])
    return np.ascontiguousarray(kept * signs, np.float32)


def _directions(path: Path, dim: int) -> Vectors:
    matrix: Vectors = np.load(io.BytesIO(checked_bytes(path)), allow_pickle=False)
    if matrix.ndim != 2 or matrix.shape[1] < dim:
        raise ModelError(f"{path} has the shape {matrix.shape} instead of [D, {dim}] or wider: {REMEDY}.")
    return np.ascontiguousarray(matrix[:, :dim])


def _gate(rows: Vectors, gate: Vectors) -> Vectors:
    """One score a row, row by row as above."""
    return np.array([row @ gate[:-1] + gate[-1] for row in rows], np.float32)


def _count(modalities: Modalities) -> int:
    if not modalities:
        raise ValueError("fuse: no modality was given; pass at least one array, with zero rows where it is missing.")
    return len(next(iter(modalities.values())))
