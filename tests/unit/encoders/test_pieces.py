"""Pieces are found as a dict of them would find them."""

import numpy as np

from encoders.models.pieces import Pieces

LETTERS = list("abcdeäж語🐱▁")


def drawn(count: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(LETTERS, rng.integers(1, 9))) for _ in range(count)]


def test_every_piece_is_found_and_nothing_else() -> None:
    for seed, count in enumerate((0, 1, 2, 3, 7, 100, 5000)):
        texts = list(dict.fromkeys(drawn(count, seed)))
        hidden = set(range(0, len(texts), 5))
        pieces = Pieces(texts, hidden)
        known = {text: number for number, text in enumerate(texts) if number not in hidden}
        for text in [*texts, *drawn(2000, seed + 100), ""]:
            assert pieces.get(text) == known.get(text)


def test_a_text_has_the_pieces_that_stand_in_it() -> None:
    texts = list(dict.fromkeys(drawn(5000, 0)))
    pieces, numbers = Pieces(texts), {text: number for number, text in enumerate(texts)}
    for text in drawn(300, 1):
        for start in range(len(text)):
            stretches = [(end, text[start:end]) for end in range(start + 1, len(text) + 1)]
            expected = [(end, numbers[one]) for end, one in stretches if one in numbers]
            assert pieces.at(text, start) == expected
