"""Pictures and sound in the space of a text's vectors, by the names of what a classifier finds in them.

Norouzi et al. 2013, "Zero-shot learning by convex combination of semantic embeddings" (arXiv:1312.5650), with two
changes that were measured (docs/decisions/0078): shares count by their roots, since a softmax is too sure of its first
label, and the mean of all labels is taken off, since otherwise every picture is near to every word for pictures.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from encoders.base import Encoder, Vectors, unit_rows
from encoders.modalities.modality import Description
from encoders.modalities.text_cache import TextCache


@dataclass(frozen=True, eq=False)
class Describer:
    """Shares of labels to a vector that words can be compared with.

    labels   float32 [L, D], the labels' vectors less their mean
    most     so many of the likeliest labels count
    made_by  name and version of what it makes
    """

    labels: Vectors
    most: int
    made_by: str

    def __call__(self, shares: Vectors) -> Vectors:
        """Float32 [N, D], norm 1, of shares [N, L]; a zero row where no label has a share.

        Row by row: the bits of one product over the whole batch would depend on the batch.
        """
        rows = [self._said(row) for row in shares]
        return unit_rows(np.stack(rows)) if rows else np.zeros((0, self.labels.shape[1]), np.float32)

    def _said(self, shares: Vectors) -> Vectors:
        likeliest = np.argsort(-shares, kind="stable")[: self.most]
        said: Vectors = np.sqrt(shares[likeliest]) @ self.labels[likeliest]
        return said


def describer_of(
    how: Description, names: Sequence[str], encoder: Encoder[str], made_by: str, cache: Path | None = None
) -> Describer:
    """Encode the names of the labels; in `cache` their vectors are kept for the next start."""
    phrases = [how.of(name) for name in names]
    kept = TextCache(cache / f"{encoder.name}-{encoder.version}.sqlite") if cache else None
    vectors = kept.find(phrases) if kept else {}
    vectors |= _encoded(encoder, [phrase for phrase in dict.fromkeys(phrases) if phrase not in vectors], kept)
    rows = np.stack([vectors[phrase] for phrase in phrases])
    return Describer(rows - rows.mean(axis=0), how.most, made_by)


def _encoded(encoder: Encoder[str], phrases: Iterable[str], kept: TextCache | None) -> dict[str, Vectors]:
    texts = list(phrases)
    made = dict(zip(texts, encoder.encode(texts), strict=True))
    if kept is not None:
        kept.keep(made)
    return made
