"""What a process that decodes media answers could have been written by the file that it decodes."""

import msgspec
import pytest

from encoders.media.types import Limits, MediaError, answer_bytes, unpack

LIMITS = Limits()


@pytest.mark.parametrize(
    "head",
    [
        {"frames": 9},
        {"frames": -1},
        {"frames": 8, "samples": 10**12},
        {"frames": 8, "samples": -5},
        {"duration_ms": -1},
        {"frames": 8, "samples": 30 * 16_000 + 1024},  # what the longest answer has no room for
        {"refused": 7},
        [],
        "x",
    ],
)
def test_an_answer_that_a_file_could_have_written_is_not_believed(head: object) -> None:
    text = msgspec.json.encode(head)
    answer = len(text).to_bytes(4, "little") + text
    with pytest.raises(MediaError, match=r"cannot be read|more than it may"):
        unpack(answer + bytes(answer_bytes(LIMITS) - len(answer)))
    for size in (0, 5, 2**31):
        with pytest.raises(MediaError):
            unpack(size.to_bytes(4, "little") + b"{" * 100)
