"""What stands in for words that a video does not have."""

from collections.abc import Sequence

import numpy as np

from encoders.base import unit_rows
from encoders.fusion.projection import ModalityRows
from encoders.modalities.modality import DescribedModality


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
