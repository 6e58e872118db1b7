"""Texts are cut into pieces as the package tokenizers cuts them."""

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers

from encoders.models.unigram import SPACE, Unigram

ALPHABETS = ("abcdefgh", "абвгде", "あいうえお漢字", "ابتثج", "कखगािी", "가나다라")


def vocabulary(seed: int) -> tuple[list[str], list[float]]:
    """Random pieces of six alphabets, most characters alone among them, and their scores."""
    rng = np.random.default_rng(seed)
    drawn = {SPACE: None}
    for alphabet in ALPHABETS:
        letters = list(alphabet)
        drawn |= dict.fromkeys(letters[1:])
        for _ in range(60):
            word = "".join(rng.choice(letters, rng.integers(2, 6)))
            drawn |= {word: None, SPACE + word[:3]: None}
    pieces = ["<unk>", *drawn]
    return pieces, [0.0, *(-rng.uniform(2, 12, len(drawn))).tolist()]


def test_pieces_are_those_that_the_package_tokenizers_finds() -> None:
    rng = np.random.default_rng(0)
    for seed in range(5):
        pieces, scores = vocabulary(seed)
        cut = Unigram(pieces, np.array(scores, np.float32).tolist(), unknown=0, control=())
        theirs = Tokenizer(
            models.Unigram(list(zip(pieces, np.array(scores, np.float32).tolist(), strict=True)), unk_id=0)
        )
        theirs.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always")
        for _ in range(200):
            words = ("".join(rng.choice(list(rng.choice(ALPHABETS)), rng.integers(1, 12))) for _ in range(4))
            text = " ".join(words)
            mine = cut(text, 999)
            # they write one unknown for several in a row
            folded = [one for at, one in enumerate(mine) if one or at == 0 or mine[at - 1]]
            assert folded == theirs.encode(text).ids, text


def test_a_text_cannot_write_a_control_piece() -> None:
    pieces = ["<unk>", "</s>", SPACE, "<", "/", "s", ">"]
    cut = Unigram(pieces, [0.0, 0.0, -1, -2, -2, -2, -2], unknown=0, control=(1,))
    assert cut("</s>", 99) == [2, 3, 4, 5, 6]


def test_pieces_end_where_there_is_no_more_room() -> None:
    cut = Unigram(["<unk>", SPACE, "a"], [0.0, -1.0, -1.0], unknown=0, control=())
    assert cut("a " * 50, 7) == [1, 2] * 3 + [1]
