"""What a modality is: what is read of a video, the encoder that reads it, and how its vectors count."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from encoders.base import Content, Encoder, Precision, TextModelName, Vectors
from encoders.models.manifest import TEXT_FOLDERS
from encoders.models.session import Provider

DEFAULT_TEXT_MODEL: TextModelName = "minilm"
REST = 0  # as `columns`: those that the other modalities leave
MAX_LABELS = 5  # of one modality of a video; a guess
NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
RESERVED = ("retrieval", "fused")  # the fused vector's name in the catalogue, and on the command line
OWN = (
    "-modalities-"  # in the version of retrieval vectors, before the fingerprint of a set that is not the built-in one
)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ModalityContext:
    """What a function that builds modalities is given; fields may be added, and none is ever removed.

    folder           the model files of this version of Freshet
    provider         where models should run
    threads          of one call of a model
    exact            whether not a bit of a vector may depend on its batch, as a replay needs it
    image_precision, text_model
                     the settings of these names
    cache            folder in which what was encoded may be kept between runs; None: nothing is kept
    """

    folder: Path
    provider: Provider = "auto"
    threads: int = 1
    exact: bool = False
    image_precision: Precision = "int8"
    text_model: TextModelName = DEFAULT_TEXT_MODEL
    cache: Path | None = None


class LabelRule(NamedTuple):
    """Which labels of its `Classifier` a video gets: those with at least `min_share`, the highest first.

    kind  stands before each label, as in `image:street sign`
    """

    kind: str
    min_share: float
    max_count: int = MAX_LABELS


@dataclass(frozen=True)
class Scale:
    """Brings a cosine to words to the height of a text's: factor * cosine + offset.

    Both are such that what has nothing to do with the words has the same mean and spread in either space
    (`python -m tests.bench.one_space`).
    """

    factor: float = 1.0
    offset: float = 0.0

    def __call__(self, cosine: float) -> float:
        return self.factor * cosine + self.offset


class Description(NamedTuple):
    """How what a `Classifier` sees is said in the space of a modality that reads words, see `Describer`.

    phrase  of a label, with {} for its name
    most    so many of the likeliest labels count
    scale   of the cosines, by the name of the text model
    others  phrases of the labels that the first one does not suit, by name; who lacks one of them is not described
    beside  what decides about the labels and is not in the version of their encoder
    """

    phrase: str
    most: int
    scale: Scale = Scale()
    others: tuple[tuple[str, str], ...] = ()
    beside: str = ""

    def of(self, label: str) -> str:
        """What a label is called.

        >>> how = Description("{} music", 5, others=(("speech", "somebody speaks"),))
        >>> how.of("jazz"), how.of("speech")
        ('jazz music', 'somebody speaks')
        """
        return dict(self.others).get(label) or self.phrase.format(label)

    def suits(self, labels: Sequence[str]) -> bool:
        """Whether an encoder with these labels makes what is described here.

        >>> how = Description("{} music", 5, others=(("speech", "somebody speaks"),))
        >>> how.suits(["jazz", "speech"]), how.suits(["jazz"])
        (True, False)
        """
        return {name for name, _ in self.others} <= {*labels}


class DescribedModality(NamedTuple):
    """The vectors by which a modality is described: their name, and what they are made of."""

    name: str
    of: "Modality[Any]"
    into: "Modality[Any]"
    how: Description

    @property
    def version(self) -> str:
        """Changes with either model and with how one is said in the other's space; not with a process's files."""
        facts = (self.how.phrase, self.how.most, self.how.others, self.how.beside)
        fact = hashlib.sha256(repr(facts).encode()).hexdigest()[:8]
        return f"{self.into.version}-{self.of.version}-{fact}"


@dataclass(frozen=True, eq=False, kw_only=True)
class Modality(Generic[T]):
    """One way of encoding a video. Everything else in Freshet iterates over these and knows none by name.

    name        of its vectors: in features.v1, in Qdrant, after `freshet similar --by`
    dim         of its vectors
    version     of the encoder that `open` gives: what another version made is not used
    read        what the encoder gets of a video; None where the video has nothing of it
    open        opens the encoder; a ModelError says in a sentence why it cannot
    labels      the labels that are kept, where the encoder is a `Classifier`
    described   how its labels are said in the space of the modality that reads words; None: they are not
    describes   whether the models at hand have the labels that it takes; else no video is asked to be described
    reads_words whether its encoder takes plain words: a search compares with its vectors
    columns     how many of the 256 of a retrieval vector are its own, see `maps_of`
    directions  float32 [dim, d], orthonormal, for d columns: what of its vectors goes there; None: the first d numbers
    weight      how much it counts when two videos are compared by the weighted mean
    same        cosine from which on two videos are the same by it, for `freshet reuploads`; None: it is no evidence
    """

    name: str
    dim: int
    version: str
    read: Callable[[Content], T | None]
    open: Callable[[], Encoder[T]]
    labels: LabelRule | None = None
    described: Description | None = None
    describes: bool = True
    reads_words: bool = False
    columns: int
    directions: Callable[[int], Vectors] | None = None
    weight: float = 1.0
    same: float | None = None

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name) or self.name in RESERVED:
            raise ValueError(
                f"A modality cannot be called {self.name!r}: take 1 to 32 of a-z, 0-9, _ and -, a letter first, "
                f"and neither of {' and '.join(RESERVED)}."
            )
        if self.dim < 1 or self.columns < 0:
            raise ValueError(
                f"The modality {self.name} has {self.dim} dimensions and {self.columns} columns: "
                "it needs at least 1 dimension, and no negative number of columns."
            )


@dataclass(frozen=True, eq=False)
class ModalitySet:
    """The modalities of one Freshet, in the order in which their labels are written.

    suffix  of the version of retrieval vectors that are made of them, see `suffix_of`
    """

    members: tuple[Modality[Any], ...]
    suffix: str = ""

    def __post_init__(self) -> None:
        names = [one.name for one in self.members]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"The modalities are {', '.join(names) or 'none'}: give at least one, each name once.")
        if taken := next((one for one in self.described if one.name in names), None):
            raise ValueError(
                f"A modality is called {taken.name}, as are the vectors of what {taken.of.name} says: "
                f"give it another name, or {taken.of.name} no `described`."
            )

    def __iter__(self) -> Iterator[Modality[Any]]:
        return iter(self.members)

    @cached_property
    def dims(self) -> dict[str, int]:
        """Dimensions of the vectors by name."""
        return {one.name: one.dim for one in self.members}

    @cached_property
    def described(self) -> tuple[DescribedModality, ...]:
        """The modalities that are described in the space of the first one that reads words; none where none does."""
        into = next((one for one in self.members if one.reads_words), None)
        if into is None:
            return ()
        has = [(one, one.described) for one in self.members if one.described is not None and one.labels is not None]
        return tuple(DescribedModality(f"{one.name}_{into.name}", one, into, how) for one, how in has)

    @cached_property
    def stored(self) -> dict[str, int]:
        """Dimensions of all vectors that are stored beside the retrieval vector: of modalities and descriptions."""
        return self.dims | {one.name: one.into.dim for one in self.described}

    @cached_property
    def met_by_words(self) -> dict[str, Scale]:
        """The vectors that words are compared with, and what brings their cosines to the same height."""
        own = {one.name: Scale() for one in self.members if one.reads_words}
        return dict([*own.items()][:1]) | {one.name: one.how.scale for one in self.described}

    @cached_property
    def _versions(self) -> dict[str, str]:
        return {one.name: one.version for one in self.members} | {one.name: one.version for one in self.described}

    @property
    def same(self) -> dict[str, float]:
        """The cosine from which on two videos are the same, by the modalities that are evidence of it."""
        return {one.name: one.same for one in self.members if one.same is not None}

    def is_current(self, name: str, made_by: str) -> bool:
        """Whether a vector of this name, by the encoder `name@version`, is what the present encoders make."""
        return name in self._versions and made_by.endswith(f"@{self._versions[name]}")

    def is_outdated(self, name: str, made_by: str) -> bool:
        """Whether a vector is of one of these modalities or describes one, but was made by other models."""
        return name in self._versions and not self.is_current(name, made_by)

    def is_undescribed(self, made_by: Mapping[str, str]) -> bool:
        """Whether a video with vectors by these encoders lacks a description of what they saw or heard."""
        return any(
            one.of.describes and one.name not in made_by and self.is_current(one.of.name, made_by.get(one.of.name, ""))
            for one in self.described
        )

    def wants_backfill(self, made_by: Mapping[str, str]) -> bool:
        """Whether a video with vectors by these encoders has some of other models, or lacks a description."""
        return any(self.is_outdated(*one) for one in made_by.items()) or self.is_undescribed(made_by)

    def are_all_in(self, retrieval_version: str) -> bool:
        """Whether a video with a retrieval vector of this version was encoded by all of these, and by no others."""
        return fingerprint_in(retrieval_version) == fingerprint_in(self.suffix)


def fingerprint_in(version: str) -> str:
    """The fingerprint of the set of modalities in a version of retrieval vectors; empty for the built-in ones.

    >>> fingerprint_in("0f0f0f0f0f0f0f0f-mean-modalities-1a2b3c4d"), fingerprint_in("0f0f0f0f0f0f0f0f-mean-fp32")
    ('1a2b3c4d', '')
    """
    return version.partition(OWN)[2]


def suffix_of(members: tuple[Modality[Any], ...], built_in: tuple[Modality[Any], ...], context: ModalityContext) -> str:
    """The end of a retrieval vector's version, after the key of the models and the way of fusing.

    Empty for the built-in modalities, or what is not the default of their text model and their precision; a fingerprint
    for any other set.
    """
    found = fingerprint(members, built_in)
    if found == fingerprint(built_in, built_in):
        text = "" if context.text_model == DEFAULT_TEXT_MODEL else f"-{TEXT_FOLDERS[context.text_model]}"
        return text + ("" if context.image_precision == "int8" else f"-{context.image_precision}")
    return OWN + found


def fingerprint(members: tuple[Modality[Any], ...], built_in: tuple[Modality[Any], ...]) -> str:
    """8 hex digits that change with everything in the descriptions that decides about vectors.

    How labels are said decides about videos without a title; it counts where it differs from the built-in modality's.
    """
    usual = {one.name: _said_by(one) for one in built_in}
    facts = [
        (one.name, one.dim, one.version, one.columns, one.weight)
        + ((said,) if (said := _said_by(one)) != usual.get(one.name, (False, None)) else ())
        for one in members
    ]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:8]


def _said_by(one: Modality[Any]) -> tuple[bool, tuple[Any, ...] | None]:
    """Whether it reads words, and what of its description decides about vectors; None: it has none."""
    how = one.described if one.labels is not None else None
    return one.reads_words, how and (how.phrase, how.most, how.others)


def by_name(found: Mapping[str, Modality[Any]]) -> tuple[Modality[Any], ...]:
    """The modalities of a mapping; a ValueError where one stands under another name than its own."""
    for name, one in found.items():
        if one.name != name:
            raise ValueError(f"The modality {one.name} stands under the name {name!r}: give it its own.")
    return tuple(found.values())
