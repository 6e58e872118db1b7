"""Titles of simulated uploads: for each kind of video, its subjects and the phrases that they are put into.

Ten subjects and six phrases ("frames") make sixty titles a kind.
"""

from pathlib import Path

import msgspec


class Words(msgspec.Struct, frozen=True):
    """One kind: subjects, frames ({x}: the subject, {X}: at the start of a sentence), usual length in seconds."""

    subjects: tuple[str, ...]
    frames: tuple[str, ...]
    shortest_s: int
    longest_s: int


def _kinds() -> dict[str, Words]:
    return msgspec.json.decode(Path(__file__).with_name("titles.json").read_bytes(), type=dict[str, Words])


KINDS = _kinds()  # in the file's order
CREATORS = ("amara", "bruno", "chiara", "daniel", "elif", "farid", "greta", "hiro", "ines", "jonas")


def titles(kind: str) -> list[tuple[str, str]]:
    """All titles of a kind, each with its subject; two in a row share neither subject nor frame.

    >>> titles("travel")[0], len(set(titles("travel")))
    (('Two days in Lisbon without a car', 'Lisbon'), 60)
    """
    subjects, frames = KINDS[kind].subjects, KINDS[kind].frames
    filled = []
    for turn in range(len(frames)):
        for place, subject in enumerate(subjects):
            frame = frames[(place + turn) % len(frames)]
            filled.append((frame.format(x=subject, X=subject[0].upper() + subject[1:]), subject))
    return filled
