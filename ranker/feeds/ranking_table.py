"""What the home feed ranks by, as a TOML table that can be read and changed without writing code: home.toml."""

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache, cached_property
from hashlib import sha256
from importlib.resources import files
from typing import Annotated, Any, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ranker.catalogue.top_lists import TOP_LENGTH
from ranker.pipeline.features import NAMES
from ranker.pipeline.learned import Worth
from ranker.pipeline.reranking import Mix
from ranker.pipeline.scorers import BIAS, Weights
from ranker.profile.outcomes import HEADS

Size = Annotated[int, Field(ge=0, le=TOP_LENGTH)]
Share = Annotated[float, Field(ge=0, le=1)]
Number = Annotated[float, Field(ge=-1000, le=1000)]
FEATURES = (BIAS, *NAMES)


class RankingError(ValueError):
    """A table that cannot be used; the message names the key and what it may be."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Sources(_Table):
    """How many candidates each source gives; 0: it is switched off."""

    near_recent: Size
    trending: Size
    trending_here: Size
    fresh: Size
    creators: Size
    popular: Size
    sequence: Size

    @model_validator(mode="after")
    def _gives_something(self) -> Self:
        if not any(size for _, size in self):
            raise ValueError("all are switched off; give one of them a size above 0")
        return self

    @property
    def off(self) -> frozenset[str]:
        """The names of those that are switched off."""
        return frozenset(name for name, size in self if not size)


class Heads(_Table):
    """A number for each outcome."""

    finish: Number
    like: Number
    skip: Number


class SlateWorth(Heads):
    """What the parts of the score are worth: learned chances, and the score by hand."""

    by_hand: Number


class SlateMix(_Table):
    """How slates are mixed, see reranking.py."""

    relevance: Share
    per_creator: Annotated[int, Field(ge=0, le=1000)]
    per_category: Annotated[int, Field(ge=0, le=1000)]
    explore: bool


class ByHand(_Table):
    """The hand-set scorer's weights, see scorers.py."""

    worth: Heads
    finish: Mapping[str, Number]
    like: Mapping[str, Number]
    skip: Mapping[str, Number]

    @field_validator(*HEADS)
    @classmethod
    def _features(cls, weights: Mapping[str, float]) -> Mapping[str, float]:
        for name in weights:
            if name not in FEATURES:
                raise ValueError(f"{name} is no feature; {_hint(name, FEATURES)}")
        return weights


class RankingTable(_Table):
    """The whole table."""

    sources: Sources
    worth: SlateWorth
    slate: SlateMix
    by_hand: ByHand

    @cached_property
    def version(self) -> str:
        """A hash of every number."""
        return sha256(orjson.dumps(self.model_dump(), option=orjson.OPT_SORT_KEYS)).hexdigest()[:8]

    @property
    def score(self) -> Worth:
        """What the score is made of."""
        heads = {head: getattr(self.worth, head) for head in HEADS}
        by_hand = self.by_hand
        weights = Weights({head: getattr(by_hand, head) for head in HEADS}, by_hand.worth.model_dump())
        return Worth(heads, self.worth.by_hand, weights)

    @property
    def mix(self) -> Mix:
        """How slates are mixed; exploration draws from fresh videos."""
        one = self.slate
        return Mix(one.relevance, one.per_creator, one.per_category, explore="fresh" if one.explore else "")

    def rows(self) -> list[tuple[str, object]]:
        """Every number under its key, as `slate.relevance`."""
        return [*_flat("", self.model_dump())]


@cache
def usual_table() -> RankingTable:
    """The table of home.toml."""
    return RankingTable.model_validate(_usual())


def read_table(text: str) -> RankingTable:
    """The table of a TOML text; what it leaves out is as in home.toml. RankingError where it cannot be used.

    >>> read_table("slate.relevance = 0.8").slate.relevance
    0.8
    """
    try:
        given = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RankingError(f"it is not TOML: {error}") from error
    try:
        return RankingTable.model_validate(_over(_usual(), given))
    except ValidationError as error:
        raise RankingError(_sentence(error)) from error


@cache
def _usual_text() -> str:
    return files("ranker.feeds").joinpath("home.toml").read_text("utf-8")


def _usual() -> dict[str, Any]:
    return tomllib.loads(_usual_text())


def _over(usual: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Tables one over the other, key by key."""
    found = {**usual, **given}
    for key, value in usual.items():
        if isinstance(value, dict) and isinstance(given.get(key), dict):
            found[key] = _over(value, given[key])
    return found


def _flat(path: str, value: object) -> list[tuple[str, object]]:
    if not isinstance(value, Mapping):
        return [(path, value)]
    return [row for key, inner in value.items() for row in _flat(f"{path}.{key}" if path else key, inner)]


def _sentence(error: ValidationError) -> str:
    """The first thing that is wrong."""
    first = error.errors(include_url=False)[0]
    path = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        known = [key for key, _ in usual_table().rows()] + ["sources", "worth", "slate", "by_hand"]
        return f"{path} is not known; {_hint(path, known)}"
    need = first["msg"].removeprefix("Value error, ").replace("Input should", "it should")
    return f"{path} cannot be {first['input']!r}: {need}"


def _hint(name: str, known: "tuple[str, ...] | list[str]") -> str:
    return f"the nearest one is {get_close_matches(name, known, 1, 0.0)[0]}"
