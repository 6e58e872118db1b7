"""The ids of older events: pages as they are stored, and the search through all of a person's."""

from random import Random

import pytest

from ranker.profile.event_ids import (
    ID_BYTES,
    MAX_PAGES,
    PAGE_IDS,
    EventIds,
    Page,
    PageError,
    decode_page,
    encode_page,
    page_key,
    user_of,
)


def page(number: int, newest_ms: int = 0) -> Page:
    """The page of this number, with ids that no other page has."""
    return Page(number, newest_ms, b"".join(ids_of(number)))


def ids_of(number: int) -> list[bytes]:
    draw = Random(number)
    return [draw.randbytes(ID_BYTES) for _ in range(PAGE_IDS)]


def test_a_page_is_read_back_as_it_was_written():
    assert decode_page(encode_page(page(3, 17))) == page(3, 17)


@pytest.mark.parametrize("data", [b"", b"garbage", encode_page(page(3))[:-1], encode_page(Page(1, 1, bytes(13)))])
def test_what_is_no_page_is_an_error_that_says_so(data: bytes):
    with pytest.raises(PageError, match=rf"^page of {len(data)} bytes.*; repeats of its events may count$"):
        decode_page(data)


def test_a_key_names_person_and_page():
    assert user_of(page_key("ana/7", 128)) == "ana/7"
    assert page_key("ana", 128) != page_key("ana", 129)


@pytest.mark.parametrize("pages", [0, 1, 3, 4, 5, 8, 13, 100])
def test_every_id_of_every_page_is_found_and_no_other(pages: int):
    ids = EventIds(page(number) for number in range(pages))
    assert all(ids.holds(digest) for number in range(pages) for digest in ids_of(number))
    assert not any(ids.holds(digest) for digest in ids_of(pages))
    assert len(ids) == pages * PAGE_IDS


def test_pages_are_put_in_order_of_their_versions():
    numbers = [5, 2, 9, 1, 7, 3]
    assert EventIds(page(number) for number in numbers).versions == sorted(numbers)


def test_bytes_across_two_ids_are_no_id():
    ids = EventIds([Page(1, 0, bytes(range(256)) * 2)])
    assert ids.holds(bytes(range(8, 16))) and not ids.holds(bytes(range(9, 17)))


def test_pages_whose_events_would_be_late_go_and_are_not_found():
    ids = EventIds(page(number, newest_ms=number) for number in range(20))
    assert ids.trim(late_ms=7) == list(range(12))
    assert not any(ids.holds(digest) for number in range(12) for digest in ids_of(number))
    assert all(ids.holds(digest) for number in range(12, 20) for digest in ids_of(number))


def test_of_too_many_pages_the_oldest_go():
    ids = EventIds()
    for number in range(3 * MAX_PAGES):
        ids.add(page(number))
        gone = ids.trim(late_ms=0)
        assert gone == ([number - MAX_PAGES] if number >= MAX_PAGES else [])
    oldest = 2 * MAX_PAGES
    assert not any(ids.holds(digest) for digest in ids_of(oldest - 1))
    assert all(ids.holds(digest) for digest in ids_of(oldest))
    assert not any(ids.holds(digest, newer=1) for digest in ids_of(oldest))


def test_page_numbers_may_go_round():
    ids = EventIds()
    for number in range(70_000):
        ids.add(Page(number, number, number.to_bytes(ID_BYTES, "little") * PAGE_IDS))
        ids.trim(late_ms=5)
    found = [number for number in range(70_000) if ids.holds(number.to_bytes(ID_BYTES, "little"))]
    assert found == list(range(69_994, 70_000))
