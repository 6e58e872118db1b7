"""Laws that every encoder keeps, for tests of your own: a law that does not hold raises LawBroken.

@pytest.mark.parametrize("law", ENCODER_LAWS, ids=lambda law: law.__name__)
def test_my_encoder_keeps_the_laws(law):
    law(MyEncoder(), Examples(telling=["a cat", "a dog"], silent=[""]))
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from encoders.base import Classifier, Content, Encoder, Vectors
from encoders.modalities.modality import Modality
from encoders.modalities.opened import opened

CLOSE = 1e-5  # by so much two vectors of the same video may differ in any number
UNIT = 1e-6  # and by so much a length from 1


class LawBroken(AssertionError):
    """An encoder does not do what every encoder has to: one sentence."""


class Examples(NamedTuple):
    """Inputs that an encoder is tried with.

    telling  each says something of its own; at least two
    silent   say nothing, as None does
    odd      whatever else may come
    """

    telling: Sequence[Any]
    silent: Sequence[Any] = ()
    odd: Sequence[Any] = ()


Law = Callable[[Encoder[Any], Examples], None]


def gives_rows_of_the_declared_shape(encoder: Encoder[Any], examples: Examples) -> None:
    """A batch of N gives float32 [N, dim], an empty one [0, dim]."""
    for batch in (examples.telling, examples.silent, [None], []):
        rows = encoder.encode(batch)
        _require(
            rows.shape == (len(batch), encoder.dim) and rows.dtype == np.float32,
            f"{encoder.name} gave {rows.dtype} {list(rows.shape)} instead of float32 [{len(batch)}, {encoder.dim}]",
        )


def gives_rows_of_norm_one(encoder: Encoder[Any], examples: Examples) -> None:
    """Every input that says something gets a row of length 1."""
    for place, length in enumerate(np.linalg.norm(encoder.encode(examples.telling), axis=1)):
        _require(
            bool(abs(length - 1) < UNIT), f"{encoder.name}: telling[{place}] has a row of length {length:.4g}, not of 1"
        )


def gives_zero_rows_for_what_says_nothing(encoder: Encoder[Any], examples: Examples) -> None:
    """None and silent inputs get a zero row, whatever stands beside them."""
    batch = [None, *examples.silent, examples.telling[0], None]
    says = [bool(row.any()) for row in encoder.encode(batch)]
    wanted = [False, *[False] * len(examples.silent), True, False]
    wrong = [repr(one)[:60] for one, is_, should in zip(batch, says, wanted, strict=True) if is_ is not should]
    _require(not wrong, f"{encoder.name}: a zero row is for what says nothing, and for nothing else; wrong: {wrong}")


def gives_finite_rows_whatever_comes(encoder: Encoder[Any], examples: Examples) -> None:
    """No input gives a number that is not finite, or an exception."""
    batch = [*examples.telling, *examples.silent, *examples.odd]
    for one, row in zip(batch, encoder.encode(batch), strict=True):
        _require(bool(np.isfinite(row).all()), f"{encoder.name}: {repr(one)[:60]} gave numbers that are not finite")


def gives_a_video_the_same_row_alone_and_in_a_batch(encoder: Encoder[Any], examples: Examples) -> None:
    """A row depends on its video alone, to 1e-5; what an encoder remembers is dropped in between, by its `forget`."""
    together = _fresh(encoder, examples.telling)
    backwards = _fresh(encoder, examples.telling[::-1])[::-1]
    alone = np.concatenate([_fresh(encoder, [one]) for one in examples.telling])
    for how, rows in (("alone", alone), ("in a batch of another order", backwards)):
        most = float(np.abs(rows - together).max())
        _require(most < CLOSE, f"{encoder.name}: a row {how} differs by {most:.1e} from the one in a batch")


def tells_videos_apart(encoder: Encoder[Any], examples: Examples) -> None:
    """Different videos get different rows."""
    rows = encoder.encode(examples.telling)
    count = len(np.unique(rows.round(4), axis=0))
    _require(count == len(rows) > 1, f"{encoder.name} gave {count} different rows for {len(rows)} different videos")


def leaves_its_input_as_it_was(encoder: Encoder[Any], examples: Examples) -> None:
    """Arrays that are handed in are not changed in place."""
    before = [np.copy(one) for one in examples.telling]
    encoder.encode(examples.telling)
    same = all((np.asarray(one) == copy).all() for one, copy in zip(examples.telling, before, strict=True))
    _require(same, f"{encoder.name} changed its input in place")


def gives_rows_of_the_callers_own(encoder: Encoder[Any], examples: Examples) -> None:
    """A returned row may be changed without changing the next answer."""
    before = encoder.encode(examples.telling).copy()
    encoder.encode(examples.telling)[:] = 0
    same = bool((encoder.encode(examples.telling) == before).all())
    _require(same, f"{encoder.name} gave other rows after the caller had changed the ones that it was given")


ENCODER_LAWS: tuple[Law, ...] = (
    gives_rows_of_the_declared_shape,
    gives_rows_of_norm_one,
    gives_zero_rows_for_what_says_nothing,
    gives_finite_rows_whatever_comes,
    gives_a_video_the_same_row_alone_and_in_a_batch,
    tells_videos_apart,
    leaves_its_input_as_it_was,
    gives_rows_of_the_callers_own,
)


def classifies_what_it_encodes(encoder: Classifier[Any], examples: Examples) -> None:
    """A classifier's vectors are those of `encode`, its shares finite [N, L], and zero for what says nothing."""
    batch = [*examples.telling, None]
    found = encoder.classify(batch)
    shape = (len(batch), len(encoder.labels))
    _require(found.shares.shape == shape, f"{encoder.name} gave shares {list(found.shares.shape)}, not {list(shape)}")
    _require(bool(np.isfinite(found.shares).all()), f"{encoder.name} gave shares that are not finite")
    _require(not found.shares[-1].any(), f"{encoder.name} gave labels to a video of which there is nothing")
    same = bool(np.abs(found.vectors - encoder.encode(batch)).max() < CLOSE)
    _require(same, f"{encoder.name}: `classify` gives other vectors than `encode`")


def has_a_version_for_each_answer(encoders: Sequence[Encoder[Any]], examples: Examples) -> None:
    """Two encoders of one name whose rows differ have two versions, or their vectors would be compared."""
    made = [(one, _fresh(one, examples.telling)) for one in encoders]
    for place, (one, rows) in enumerate(made):
        for other, others in made[place + 1 :]:
            same = rows.shape == others.shape and float(np.abs(rows - others).max()) < CLOSE
            alike = (one.name, one.version) == (other.name, other.version)
            _require(same or not alike, f"{one.name}@{one.version} is the version of encoders whose rows differ")


def check_modality(modality: Modality[Any], examples: Examples) -> Encoder[Any]:
    """Open a modality's encoder and try every law on both; returns the encoder."""
    encoder = opened(modality)  # whose version and dimensions are compared
    _require(modality.read(Content()) is None, f"{modality.name} reads something of a video of which there is nothing")
    for law in ENCODER_LAWS:
        law(encoder, examples)
    if modality.labels is not None:
        classifies_what_it_encodes(encoder, examples)  # type: ignore[arg-type]  # `opened` has seen that it can
    if modality.columns and modality.directions is not None:
        directions = modality.directions(modality.columns)
        shape = (modality.dim, modality.columns)
        _require(directions.shape == shape, f"{modality.name} has directions {list(directions.shape)}, not {shape}")
        off = float(np.abs(directions.T @ directions - np.eye(modality.columns)).max())
        _require(off < CLOSE, f"{modality.name} has directions that are not orthonormal, by {off:.1e}")
    return encoder


def forget(encoder: Encoder[Any]) -> None:
    """Have an encoder drop the vectors that it remembers, if it remembers any."""
    getattr(encoder, "forget", lambda: None)()


def _fresh(encoder: Encoder[Any], batch: Sequence[Any]) -> Vectors:
    forget(encoder)
    return encoder.encode(batch)


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise LawBroken(f"{sentence}.")
