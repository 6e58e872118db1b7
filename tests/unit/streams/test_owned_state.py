"""Owned state read back from a log in which damaged records stand behind sound ones."""

from collections import defaultdict
from typing import Any

import pytest

from ranker.profile.codec import order_of, pack, version_of
from ranker.profile.model import EMPTY
from streams.kafka.owned_state import outdated_last
from streams.kafka.records import Record
from streams.profiles.store import ProfileStore, _sound
from tests.support.events import after, liked, minute, watched

FIRST = pack(after(watched("ana", "v1")))
SECOND = pack(after(watched("ana", "v1"), liked("ana", "v2", minute(1))))


class Message:
    """The part of a client's message that recovery reads."""

    def __init__(self, value: bytes | None) -> None:
        self._value = value

    def value(self) -> bytes | None:
        return self._value

    def key(self) -> bytes:
        return b"ana"

    def partition(self) -> int:
        return 0

    def topic(self) -> str:
        return "profiles.v1"

    def offset(self) -> int:
        return 7

    def headers(self) -> None:
        return None


def recovered(*values: bytes | None) -> tuple[bytes | None, bool]:
    """What is held of ana after these records, and whether it has to be put behind them again."""
    people = ProfileStore.__new__(ProfileStore)
    people._keep, people._order_of = _sound, order_of
    held: dict[int, dict[str, bytes]] = {0: {}}
    outdated: dict[int, set[str]] = defaultdict(set)
    people._take(held, outdated, [Message(value) for value in values])
    return held[0].get("ana"), "ana" in outdated[0]


@pytest.mark.parametrize("damaged", [SECOND[:-3], SECOND[: len(SECOND) // 2], b"", b"{}", b"\xff" * 20])
def test_a_damaged_record_does_not_take_the_place_of_the_sound_one_before_it(damaged: bytes) -> None:
    assert recovered(FIRST, SECOND, damaged) == (SECOND, True)


def test_the_newest_sound_record_counts_and_a_repeat_changes_nothing() -> None:
    assert recovered(FIRST, SECOND) == (SECOND, False)
    assert recovered(SECOND, FIRST) == (SECOND, True)
    assert recovered(SECOND, SECOND) == (SECOND, False)
    assert recovered(FIRST, SECOND[:-3], SECOND) == (SECOND, False)
    assert recovered(SECOND, None) == (None, False)


def of_log(*values: bytes | None) -> list[bytes | None]:
    records: list[Any] = [Record("profiles.v1", 0, at, 0, b"ana", value) for at, value in enumerate(values)]
    whole = ProfileStore.__new__(ProfileStore)
    return [one.value for one in outdated_last(records, lambda data: version_of(whole._whole(data)))]


def test_the_newest_sound_record_is_put_again_behind_what_cannot_be_read() -> None:
    assert of_log(FIRST, SECOND, SECOND[:-3]) == [SECOND]
    assert of_log(FIRST, SECOND, b"{}") == [SECOND]
    assert of_log(FIRST, b"{}", SECOND) == []
    assert of_log(SECOND, b"{}", None) == []
    assert of_log(pack(EMPTY)[:-1]) == []
