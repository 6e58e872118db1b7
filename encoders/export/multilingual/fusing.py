"""How the vectors of two encoders become one of 384 numbers: what was fitted, in numpy and as nodes of a graph."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from encoders.base import Vectors, unit_rows
from encoders.export.e5.graph import unit
from encoders.export.graph import Graph

FITTED = Path(__file__).with_name("fitted.npz")
USE_WEIGHT = 0.7  # beside e5; chosen with LIKENESS_WEIGHT on titles that no test has
LIKENESS_WEIGHT = 0.6  # of the likeness to MiniLM, beside both


@dataclass(frozen=True, eq=False)
class Fitted:
    """What `fit` learned, all float32.

    e5_mean, use_mean            [384], [512]: taken from each vector
    e5_languages, use_languages  [384, L], [512, L], orthonormal: directions that are taken out
    known                        [385]: weights of e5's vector, and a constant, that tell whether USE knows the language
    likeness                     [896, 384]: from both, side by side, to what MiniLM makes of the English text
    directions                   [1280, 384], orthonormal: of all, those that tell most, the most telling first
    """

    e5_mean: Vectors
    e5_languages: Vectors
    use_mean: Vectors
    use_languages: Vectors
    known: Vectors
    likeness: Vectors
    directions: Vectors

    def save(self, path: Path) -> None:
        """Write it in float16, which is exact enough for what is fitted once, and half as large."""
        np.savez_compressed(path, **{name: value.astype(np.float16) for name, value in asdict(self).items()})


def read_fitted() -> Fitted:
    with np.load(FITTED, allow_pickle=False) as file:
        return Fitted(**{name: file[name].astype(np.float32) for name in file.files})


def side_by_side(e5: Vectors, use: Vectors, fitted: Fitted) -> Vectors:
    """Float32 [N, 896]: e5's centred vectors of norm 1, and USE's, shorter the less it knows of a text.

    e5, use  [N, 384], [N, 512], norm 1, as the encoders give them
    """
    share = 1 / (1 + np.exp(-(e5 @ fitted.known[:-1] + fitted.known[-1])))  # [N]
    near = unit_rows(_without(e5 - fitted.e5_mean, fitted.e5_languages))
    return np.hstack([near, share[:, None] * _without(use - fitted.use_mean, fitted.use_languages)]).astype(np.float32)


def fused(both: Vectors, likeness: Vectors) -> Vectors:
    """Float32 [N, 1280]: both encoders, and the likeness to MiniLM that `likeness` finds in them."""
    weighted = both * np.repeat(np.array([1, USE_WEIGHT], np.float32), (len_e5 := 384, both.shape[1] - len_e5))
    return np.hstack([unit_rows(weighted), LIKENESS_WEIGHT * unit_rows(both @ likeness)]).astype(np.float32)


def _without(rows: Vectors, directions: Vectors) -> Vectors:
    return np.asarray(rows - (rows @ directions) @ directions.T, np.float32)


def fuse(graph: Graph, e5: str, use: str, fitted: Fitted) -> str:
    """Add the same to a graph: the name of float32 [B, 384], norm 1."""
    logits = _plus(graph, _times(graph, e5, fitted.known[:-1, None]), fitted.known[-1:])
    share = graph.node("Sigmoid", logits)  # [B, 1]
    near = unit(graph, _kept(graph, e5, fitted.e5_mean, fitted.e5_languages))
    far = graph.node("Mul", share, _kept(graph, use, fitted.use_mean, fitted.use_languages))
    both = graph.node("Concat", near, far, axis=-1)
    weighted = graph.node("Concat", near, _scaled(graph, far, USE_WEIGHT), axis=-1)
    like = _scaled(graph, unit(graph, _times(graph, both, fitted.likeness)), LIKENESS_WEIGHT)
    whole = graph.node("Concat", unit(graph, weighted), like, axis=-1)
    return unit(graph, _times(graph, whole, fitted.directions))


def _kept(graph: Graph, rows: str, mean: Vectors, directions: Vectors) -> str:
    kept = np.eye(len(mean), dtype=np.float32) - directions @ directions.T
    return _times(graph, _plus(graph, rows, -mean), kept)


def _times(graph: Graph, rows: str, weights: Vectors) -> str:
    return graph.node("MatMul", rows, graph.constant(np.ascontiguousarray(weights)))


def _plus(graph: Graph, rows: str, more: Vectors) -> str:
    return graph.node("Add", rows, graph.constant(more))


def _scaled(graph: Graph, rows: str, weight: float) -> str:
    return graph.node("Mul", rows, graph.constant(np.float32(weight)))
