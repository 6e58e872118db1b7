"""Fusion by learned attention: how much each modality of a video counts follows from its vectors."""

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from zipfile import BadZipFile

import numpy as np

from encoders.base import ModelError, Vectors, unit_rows
from encoders.fusion.projection import RETRIEVAL_DIM, ModalityRows, projected, row_count

ATTENTION = "fusion-attention.npz"


@dataclass(frozen=True, eq=False)
class Attention:
    """Modalities mapped into one space and weighted for each video by a learned softmax over those that it has.

    maps    by modality, float32 [D_m, 256]
    gates   by modality, float32 [D_m + 1]: how a vector scores its own modality, and a bias

    Learned from videos that the same people watched, see ranker/learning/fusion.py; after the modality attention of
    Ma et al. 2018 (MARN is another) in the plain form of one score a modality.
    """

    maps: Mapping[str, Vectors]
    gates: Mapping[str, Vectors]
    version: str

    def __call__(self, rows: ModalityRows) -> Vectors:
        fused = np.zeros((row_count(rows), RETRIEVAL_DIM), np.float32)
        shares = self.shares(rows)
        for name in sorted(shares):
            fused += shares[name][:, None] * projected(rows[name], self.maps[name])
        return unit_rows(fused)

    def shares(self, rows: ModalityRows) -> dict[str, Vectors]:
        """How much each modality counts for each video: float32 [N] by name, adding up to 1 over what is there."""
        given = sorted(name for name in self.maps if name in rows)
        has = np.stack([rows[name].any(axis=1) for name in given])  # [M, N]
        scores = np.stack([_gate(rows[name], self.gates[name]) for name in given])
        raised = np.where(has, np.exp(scores - scores.max(axis=0)), 0.0)
        shares = raised / np.maximum(raised.sum(axis=0), 1e-30)
        return dict(zip(given, shares.astype(np.float32), strict=True))


def write_attention(folder: Path, maps: Mapping[str, Vectors], gates: Mapping[str, Vectors]) -> str:
    """Write learned weights to their folder; returns their version, which names their content.

    A reader finds the old weights or the new ones, always complete. Weights that could not be used raise a ModelError,
    and the old ones stay.
    """
    kept = {f"map_{name}": maps[name] for name in maps} | {f"gate_{name}": gates[name] for name in gates}
    folder.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=folder, prefix=f"{ATTENTION}.", suffix=".new", delete=False) as made:
        temporary = Path(made.name)
        try:
            np.savez(made, **kept)  # type: ignore[arg-type]  # its stubs take the names for options
            made.flush()
            os.fsync(made.fileno())  # or a machine that fails may keep the name without the content
            version = read_attention(temporary).version
            temporary.chmod(0o644)  # workers may run as another user
            temporary.replace(folder / ATTENTION)
        finally:
            temporary.unlink(missing_ok=True)
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


def _gate(rows: Vectors, gate: Vectors) -> Vectors:
    """One score a row, row by row as in `projected`."""
    return np.array([row @ gate[:-1] + gate[-1] for row in rows], np.float32)
