"""Fusion by fixed weights: the modalities side by side, or weighted and added."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from encoders.base import Vectors, unit_rows
from encoders.fusion.projection import ModalityRows, projected, row_count
from encoders.modalities.modality import DescribedModality


@dataclass(frozen=True, eq=False)
class Weighted:
    """Each modality mapped into the one space, weighted and added: a cosine is the weighted mean of their cosines.

    maps       by modality, float32 [D_m, 256]
    weights    of that mean by modality; 1 where none is given
    described  what stands in for the words of a video that has none, see `with_stand_in`

    A modality that either video lacks adds nothing to their cosine. The spaces are not aligned with each other, so the
    maps keep them apart: wholly in `concat`, where each has columns of its own; in `mean` pictures and sound lie where
    a text's vector is shortest, so that videos with a text alone keep all 256 dimensions of it. Of the 10 nearest
    among film titles by 384 dimensions 91 % are found by 256 and 73 % by 192.
    """

    maps: Mapping[str, Vectors]
    version: str
    weights: Mapping[str, float] = field(default_factory=dict)
    described: Sequence[DescribedModality] = ()

    def __call__(self, rows: ModalityRows) -> Vectors:
        rows = with_stand_in(rows, self.described)
        fused = np.zeros((row_count(rows), next(iter(self.maps.values())).shape[1]), np.float32)
        for name in self.maps:
            if name in rows:
                fused += np.float32(np.sqrt(self.weights.get(name, 1.0))) * projected(rows[name], self.maps[name])
        return unit_rows(fused)


def with_stand_in(rows: ModalityRows, described: Sequence[DescribedModality]) -> ModalityRows:
    """Rows [N, D] by name, in which a video without words has what is seen and heard in it in their place.

    So what nobody gave a title is near to what has one and shows the same. Where there are words nothing changes.
    """
    said = [one for one in described if one.name in rows]
    if not said:
        return rows
    heights = np.array([one.of.weight for one in said], np.float32)
    found = unit_rows(np.tensordot(heights, np.stack([rows[one.name] for one in said]), 1))
    words = rows.get(said[0].into.name, np.zeros_like(found))
    has_words = np.reshape(words.any(axis=1), (-1, 1))
    return {**rows, said[0].into.name: np.where(has_words, words, found)}
