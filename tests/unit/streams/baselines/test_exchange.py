"""What is handed to baselines comes back as it was written; what they say is refused where it cannot be right."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streams.operations.baselines.exchange import (
    ANSWER,
    ExchangeError,
    Exposures,
    Floats,
    HeadScores,
    NextFinish,
    read_answer,
    read_exposures,
    read_next_finish,
    write_head_scores,
    write_names,
    write_next_finish_scores,
    write_question,
)

CHANCE = np.random.default_rng(5)
TRAINING, TESTED = 10, 4
EXPOSURES = Exposures(
    CHANCE.random((14, 5)),
    CHANCE.random((4, 5)),
    CHANCE.random((14, 3, 2)),
    CHANCE.random((4, 3, 2)),
    CHANCE.integers(0, 9, (14, 8)),
    CHANCE.integers(0, 2, (14, 3)).astype(np.float64),
)
FINISHES = NextFinish(
    *(np.array(one) for one in ([0, 1, 1], [2, 0, 5], [1650000000000, 1650000001000, 1650000002000], [1], [2, 7]))
)
SCORES = HeadScores(CHANCE.random((4, 3)), CHANCE.normal(size=(4, 3)), CHANCE.random((2, 3)))
RANKED = CHANCE.normal(size=(1, 7)).astype(np.float32)


def answered(folder: Path, scores: HeadScores = SCORES, ranked: Floats = RANKED) -> Path:
    write_head_scores(folder, 0, scores)
    write_next_finish_scores(folder, 0, ranked)
    write_names(folder, ["boosting"], ["BM25"])
    return folder


def changed(place: tuple[int, int], value: float) -> Floats:
    found = SCORES.probability.copy()
    found[place] = value
    return found


def test_a_question_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_question(tmp_path, EXPOSURES, FINISHES)
    exposures, finishes = read_exposures(tmp_path), read_next_finish(tmp_path)
    assert finishes is not None
    for written, read in ((EXPOSURES, exposures), (FINISHES, finishes)):
        assert vars(written).keys() == vars(read).keys()
        assert all(np.array_equal(one, getattr(read, name)) for name, one in vars(written).items())
    assert (exposures.training, exposures.early) == (TRAINING, 8)


def test_the_next_finish_is_asked_for_only_where_it_was(tmp_path: Path) -> None:
    write_question(tmp_path, EXPOSURES, None)
    assert read_next_finish(tmp_path) is None


def test_an_answer_is_read_as_it_was_written(tmp_path: Path) -> None:
    answer = read_answer(answered(tmp_path), EXPOSURES, FINISHES)
    assert [*answer.heads] == ["boosting"] and [*answer.next_finish] == ["BM25"]
    assert all(np.array_equal(one, getattr(answer.heads["boosting"], name)) for name, one in vars(SCORES).items())
    assert np.array_equal(answer.next_finish["BM25"], RANKED)


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (replace(SCORES, probability=SCORES.probability[:3]), r"heads-0.npz: probability has shape \(3, 3\); \(4, 3\)"),
        (replace(SCORES, held=SCORES.held[:, :1]), r"heads-0.npz: held has shape \(4, 1\)"),
        (replace(SCORES, late=SCORES.late[:1]), r"heads-0.npz: late has shape \(1, 3\); \(2, 3\)"),
        (replace(SCORES, probability=changed((1, 2), np.nan)), "probability has values that are not finite"),
        (replace(SCORES, held=changed((0, 0), np.inf)), "held has values that are not finite"),
        (replace(SCORES, probability=changed((1, 2), 1.5)), "probability has values that are no probabilities"),
        (replace(SCORES, held=SCORES.held.astype(np.int64)), "held has numbers of type int64; float64 is needed"),
    ],
)
def test_scores_of_exposures_that_cannot_be_right_are_refused(tmp_path: Path, scores: HeadScores, said: str) -> None:
    with pytest.raises(ExchangeError, match=said):
        read_answer(answered(tmp_path, scores), EXPOSURES, FINISHES)


@pytest.mark.parametrize(
    ("ranked", "said"),
    [
        (RANKED[:, :6], r"next_finish-0.npy has shape \(1, 6\); \(1, 7\)"),
        (RANKED * np.nan, "next_finish-0.npy has values that are not finite"),
    ],
)
def test_scores_of_videos_that_cannot_be_right_are_refused(tmp_path: Path, ranked: Floats, said: str) -> None:
    with pytest.raises(ExchangeError, match=said):
        read_answer(answered(tmp_path, ranked=ranked), EXPOSURES, FINISHES)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot be read"),
        ("[]", "is no object"),
        ('{"heads": ["a"]}', "no list of names called 'next_finish'"),
        ('{"heads": [7], "next_finish": []}', "no list of names called 'heads'"),
        ('{"heads": ["a", "a"], "next_finish": []}', "names a baseline of 'heads' twice"),
        ('{"heads": ["a", "b"], "next_finish": []}', "heads-1.npz"),
    ],
)
def test_names_that_cannot_be_right_are_refused(tmp_path: Path, content: str, said: str) -> None:
    (answered(tmp_path) / ANSWER).write_text(content)
    with pytest.raises(ExchangeError, match=said):
        read_answer(tmp_path, EXPOSURES, FINISHES)


@pytest.mark.parametrize("name", [ANSWER, "heads-0.npz", "next_finish-0.npy"])
def test_a_file_that_is_missing_or_cut_short_is_refused(tmp_path: Path, name: str) -> None:
    whole = (answered(tmp_path) / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ExchangeError):
        read_answer(tmp_path, EXPOSURES, FINISHES)
    (tmp_path / name).unlink()
    with pytest.raises(ExchangeError, match="cannot be read"):
        read_answer(tmp_path, EXPOSURES, FINISHES)


def test_objects_are_not_read(tmp_path: Path) -> None:
    np.savez(answered(tmp_path) / "heads-0.npz", probability=np.array([{}]), held=SCORES.held, late=SCORES.late)
    with pytest.raises(ExchangeError, match="cannot be read"):
        read_answer(tmp_path, EXPOSURES, FINISHES)
    assert json.loads((tmp_path / ANSWER).read_text())["heads"] == ["boosting"]
