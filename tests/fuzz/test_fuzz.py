"""Ten thousand examples for whoever reads bytes that somebody else wrote; `make fuzz` tries a million."""

import logging
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import __main__
from tests.fuzz.__main__ import READERS, Reader
from tests.support.mutations import mutated

EXAMPLES = 10_000
EACH = -(-EXAMPLES // len(READERS))
DEEP = b'{"x":' * 1500 + b"0" + b"}" * 1500


@pytest.fixture(autouse=True)
def silent() -> Iterator[None]:
    """Damaged records are said in the log, and here are thousands."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", sorted(READERS))
def test_no_bytes_stop_a_reader(name: str) -> None:
    reader = READERS[name]
    damaged = st.integers(0, 2**62).map(lambda number: mutated(reader.seeds, Random(number)))

    @settings(
        max_examples=EACH, deadline=None, database=None, derandomize=True
    )  # `make fuzz ARGS="--seed 7"` draws others
    @given(st.one_of(damaged, damaged, st.binary(max_size=200)))
    def reads(data: bytes) -> None:
        assert reader.read(data)

    reads()


def counts(of: bytes, tick: bytes = b"1650000000") -> bytes:
    """A record of trends with these counts of a video."""
    return b'{"partition":0,"tick":%b,"period":4776,"counts":{"v":[%b]},"applied":{}}' % (tick, of)


# Hypothesis raises the limit of recursion, so what is deep is tried without it.
@pytest.mark.parametrize(
    ("name", "data"),
    [
        *((name, b"") for name in sorted(READERS)),
        *((name, DEEP) for name in sorted(READERS.keys() - {"slates"})),
        ("settings", b"prefix = " + b"[" * 3000),
        ("environment", b"DATA_DIR=~nobody-of-this-name"),
        ("trends", counts(b"0,0,9223372036854775808")),
        ("trends", counts(b"0,0,-3")),
        ("trends", counts(b"1,0,1", tick=b"-9223372036854775807")),
    ],
)
def test_a_damage_that_stopped_a_reader_does_so_no_more(name: str, data: bytes) -> None:
    assert READERS[name].read(data)


@pytest.mark.parametrize("name", sorted(READERS))
def test_every_reader_can_read_what_is_whole(name: str) -> None:
    assert {READERS[name].read(seed) for seed in READERS[name].seeds} & {"read", "tried once"}


def test_a_damage_is_the_same_each_time_and_no_two_are_alike() -> None:
    some = [__main__.damage("feedback", 0, number) for number in range(200)]
    assert some == [__main__.damage("feedback", 0, number) for number in range(200)]
    assert len(set(some)) > 190


def test_a_reader_that_raises_is_counted_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__main__.READERS, "slates", Reader(lambda data: str(data[10_000]), [b"short"]))
    lines: list[str] = []
    assert __main__.fuzz("slates", 0, range(5), lines.append)["CRASH"] >= 1
    assert any("python -m tests.fuzz --seed 0 --only slates --from " in line for line in lines)
