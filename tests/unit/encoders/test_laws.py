"""Each law of `encoders.testing` finds an encoder that breaks it, and lets one pass that does not."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from encoders.base import Classified, Vectors, unit_rows
from encoders.modalities.modality import LabelRule, Modality
from encoders.testing import (
    ENCODER_LAWS,
    Examples,
    LawBroken,
    check_modality,
    classifies_what_it_encodes,
    gives_a_video_the_same_row_alone_and_in_a_batch,
    gives_finite_rows_whatever_comes,
    gives_rows_of_norm_one,
    gives_rows_of_the_callers_own,
    gives_rows_of_the_declared_shape,
    gives_zero_rows_for_what_says_nothing,
    has_a_version_for_each_answer,
    leaves_its_input_as_it_was,
    tells_videos_apart,
)


def named(law: Callable[..., object]) -> str:
    return law.__name__


class Letters:
    """How often each of the first eight letters occurs, but for one fault; remembers nothing."""

    name, version, dim, labels = "letters", "1", 8, ("vowel", "consonant")

    def __init__(self, fault: str = "") -> None:
        self._fault, self._given = fault, [np.ones((1, 8), np.float32)]

    def encode(self, batch: Sequence[np.ndarray | None], /) -> Vectors:
        counts = [np.bincount(one, minlength=8)[:8] if one is not None else np.zeros(8) for one in batch]
        rows = unit_rows(np.array(counts, np.float32).reshape(-1, 8))
        return self._spoilt(rows, batch)

    def classify(self, batch: Sequence[np.ndarray | None], /) -> Classified:
        rows = self.encode(batch)
        vowels = rows[:, [0, 4]].sum(axis=1)
        shares = np.stack([vowels, (1 - vowels) * rows.any(axis=1)], axis=1)
        match self._fault:
            case "classifies nothing":
                shares[-1] = 0.5
            case "classifies otherwise":
                rows = rows[:, ::-1]
            case "classifies too much":
                shares = np.concatenate([shares, shares], axis=1)
        return Classified(rows, shares)

    def _spoilt(self, rows: Vectors, batch: Sequence[np.ndarray | None]) -> Vectors:
        match self._fault:
            case "shape":
                return rows[:, :7]
            case "type":
                return rows.astype(np.float64)  # type: ignore[return-value]
            case "norm":
                return 2 * rows
            case "silent":
                return np.where(rows.any(axis=1, keepdims=True), rows, np.float32(8**-0.5))
            case "not finite":
                return rows / np.where(rows.any(axis=1, keepdims=True), np.float32(1), np.float32(np.nan))
            case "company":
                return unit_rows(rows + 0.001 * len(rows) * rows.any(axis=1, keepdims=True))
            case "all alike":
                return np.where(rows.any(axis=1, keepdims=True), np.float32(8**-0.5), np.float32(0))
            case "in place":
                for one in batch:
                    if one is not None:
                        one[:] = one[::-1].copy()
            case "its own array":
                if rows.shape == self._given[0].shape and not (rows == self._given[0]).all():
                    return self._given[0]
                self._given[0] = rows
        return rows


def letters() -> Examples:
    words = [np.array([ord(letter) - ord("a") for letter in word]) for word in ("cab", "bead", "fad", "face")]
    return Examples(telling=words, silent=[np.zeros(0, np.int64)], odd=[np.array([7] * 1000)])


@pytest.mark.parametrize("law", [*ENCODER_LAWS, classifies_what_it_encodes], ids=named)
def test_an_encoder_in_a_few_lines_keeps_them(law: Callable[[Letters, Examples], None]) -> None:
    law(Letters(), letters())


@pytest.mark.parametrize(
    ("fault", "law", "said"),
    [
        ("shape", gives_rows_of_the_declared_shape, r"gave float32 \[4, 7\] instead of float32 \[4, 8\]"),
        ("type", gives_rows_of_the_declared_shape, "gave float64"),
        ("norm", gives_rows_of_norm_one, r"telling\[0\] has a row of length 2"),
        ("silent", gives_zero_rows_for_what_says_nothing, "a zero row is for what says nothing"),
        ("not finite", gives_finite_rows_whatever_comes, "not finite"),
        ("company", gives_a_video_the_same_row_alone_and_in_a_batch, "a row alone differs by"),
        ("all alike", tells_videos_apart, "1 different rows for 4 different videos"),
        ("in place", leaves_its_input_as_it_was, "changed its input"),
        ("its own array", gives_rows_of_the_callers_own, "gave other rows after the caller"),
        ("classifies nothing", classifies_what_it_encodes, "gave labels to a video of which there is nothing"),
        ("classifies otherwise", classifies_what_it_encodes, "gives other vectors than `encode`"),
        ("classifies too much", classifies_what_it_encodes, r"gave shares \[5, 4\], not \[5, 2\]"),
    ],
)
def test_an_encoder_that_breaks_a_law_is_found(fault: str, law: Callable[[Letters, Examples], None], said: str) -> None:
    with pytest.raises(LawBroken, match=said):
        law(Letters(fault), letters())


def test_two_encoders_that_differ_under_one_version_are_found() -> None:
    has_a_version_for_each_answer([Letters(), Letters()], letters())
    with pytest.raises(LawBroken, match="letters@1 is the version of encoders whose rows differ"):
        has_a_version_for_each_answer([Letters(), Letters("norm")], letters())


def described(**more: Any) -> Modality[Any]:
    fields: dict[str, Any] = {"name": "letters", "dim": 8, "version": "1", "read": lambda content: content.title}
    return Modality(**{**fields, "open": Letters, "columns": 8, **more})


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"read": lambda content: content.title or ""}, "reads something of a video of which there is nothing"),
        ({"open": lambda: Letters("norm")}, "of length 2"),
        ({"open": lambda: Letters("classifies otherwise"), "labels": LabelRule("kind", 0.5)}, "other vectors than"),
        ({"directions": lambda width: np.eye(8, width + 1)}, r"directions \[8, 9\], not \(8, 8\)"),
        ({"directions": lambda width: np.ones((8, width))}, "not orthonormal"),
    ],
)
def test_a_modality_that_breaks_a_law_is_found(more: dict[str, Any], said: str) -> None:
    check_modality(described(labels=LabelRule("kind", 0.5), directions=lambda width: np.eye(8, width)), letters())
    with pytest.raises(LawBroken, match=said):
        check_modality(described(**more), letters())
