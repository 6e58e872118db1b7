"""Files about people, one JSON object a line for each: their features, or what they met before a log begins.

{"user_id":"u42","features":{"language":"de","follows":514,"interests":["food","travel"]}}
{"user_id":"u42","until_ms":1650812741000,"exposures":92,"watched":["v7","v9"],"finished":["v9"],"liked":[]}
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from ranker.learning.undated_history import History
from ranker.learning.user_features import Key, UserFeatures, keys_of
from streams.errors import OperatorError
from streams.logs.source import open_log

FORMAT = "docs/ranking.md shows a line; `freshet convert kuairand` writes such files."

Person = TypeVar("Person", UserFeatures, History)


def read_user_features(path: Path) -> Mapping[str, tuple[Key, ...]]:
    """The keys of each person's features; OperatorError where the file cannot be used."""
    return {one.user_id: keys_of(one.features) for one in _people(path, msgspec.json.Decoder(UserFeatures).decode)}


def read_histories(path: Path) -> Mapping[str, History]:
    """What each person met; OperatorError where the file cannot be used."""
    return {one.user_id: one for one in _people(path, msgspec.json.Decoder(History).decode)}


def _people(path: Path, decode: Callable[[bytes], Person]) -> Iterator[Person]:
    known = set[str]()
    with open_log(path) as source:
        for number, line in enumerate(source.lines(), 1):
            if value := line.strip():
                one = _person(f"{path} line {number}", value, decode)
                if one.user_id in known:
                    raise OperatorError(f"{path} line {number}: {one.user_id} has a line before.", "Keep one a person.")
                known.add(one.user_id)
                yield one
    if not known:
        raise OperatorError(f"{path} says nothing of anybody.", FORMAT)


def _person(place: str, value: bytes, decode: Callable[[bytes], Person]) -> Person:
    try:
        return decode(value)
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise OperatorError(f"{place}: {error}.", FORMAT) from error
