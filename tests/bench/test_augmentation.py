"""The measurement of augmentation: views are of their own video, cases do not leak, and the rule is kept to."""

import numpy as np
import pytest

from ranker.learning.fusion import Learned, learn
from tests.bench import augmentation
from tests.bench.augmentation import AS_IT_IS, CASES, MEAN, WAYS, Study, Views, fewer_words, told, varied, verdict
from tests.bench.fusion import world
from tests.support.brokers import CACHE
from tests.support.models import real_models


def test_words_are_left_out_as_often_as_asked_in_their_order_and_one_stays() -> None:
    chance, text = np.random.default_rng(0), " ".join(map(str, range(100)))
    kept = [[int(word) for word in fewer_words(text, 0.2, chance).split()] for _ in range(50)]
    assert all(words == sorted(words) for words in kept)
    assert np.mean([len(words) for words in kept]) == pytest.approx(80, abs=2)
    assert fewer_words(text, 0.0, chance) == text
    assert fewer_words("cats dance", 1.0, chance) == "cats" and fewer_words(None, 0.1, chance) == ""


def test_pictures_are_cropped_mirrored_and_lit_otherwise_and_at_times_one_is_alone() -> None:
    rng = np.random.default_rng(1)
    frames = np.zeros((2, 224, 224, 3), np.uint8)
    frames[..., 0] = np.arange(224)  # darker on the left
    made = [varied(frames, rng) for _ in range(40)]
    assert all(one.dtype == np.uint8 and one.shape[1:] == (224, 224, 3) for one in made)
    assert {len(one) for one in made} == {1, 2}
    reds = [one[0, :, :, 0].astype(int) for one in made]
    spans = [abs(red[0, -1] - red[0, 0]) for red in reds]
    assert min(spans) < 150 and max(spans) <= 1.2 * 224  # a part of the picture, stretched
    assert {bool(red[0, 0] < red[0, -1]) for red in reds} == {True, False}
    assert np.ptp([red.mean() for red in reds]) > 20
    assert (varied(frames, np.random.default_rng(7))[0] == varied(frames, np.random.default_rng(7))[0]).all()


def test_a_view_is_one_of_the_video_s_own_and_changes_from_step_to_step() -> None:
    views = Views(np.arange(30, dtype=np.float32).reshape(3, 10, 1), seed=0)  # view v of video n is 10 v + n
    rows = np.array([4, 4, 7] * 50)
    first, second = views[rows][:, 0], views[rows][:, 0]
    assert (first % 10 == rows).all() and set(first // 10) == {0, 1, 2} and (first != second).any()


def test_learning_takes_views_and_a_share_of_modalities_left_out() -> None:
    rng = np.random.default_rng(2)
    start = Learned(
        {"text": rng.standard_normal((6, 4)), "image": rng.standard_normal((5, 4))},
        {"text": np.zeros(7), "image": np.zeros(6)},
    )
    text, image = rng.standard_normal((1, 20, 6)).astype(np.float32), rng.standard_normal((20, 5)).astype(np.float32)
    pairs = np.array([[at, (at + 1) % 20] for at in range(20)])
    plain = learn({"text": text[0], "image": image}, pairs, start)
    one_view = learn({"text": Views(text, 0), "image": image}, pairs, start)
    assert (plain.maps["text"] == one_view.maps["text"]).all()
    never = learn({"text": text[0], "image": image}, pairs, start, dropout=0.0)
    assert (plain.maps["text"] != never.maps["text"]).any()


@pytest.fixture(scope="module")
def study() -> Study:
    real_models()
    return Study(CACHE.settings, world(0, people=20, videos=30, events=1500), 0)


def test_unseen_videos_are_not_learned_from_and_a_tenth_is_a_tenth(study: Study) -> None:
    every, few, unseen = (study.cases()[name] for name in CASES)
    assert len(few.pairs) == len(every.pairs) // 10 > 5
    assert unseen.asked is not None and 0 < unseen.asked.sum() < 20
    assert len(unseen.pairs) and not unseen.asked[unseen.pairs].any()


def test_augmentation_changes_what_is_learned_and_repeats_itself(study: Study) -> None:
    few = study.cases()[CASES[1]]
    found = {name: study.figures(way, few) for name, way in WAYS.items()}
    assert study.figures(WAYS["words, 0.2"], few) == found["words, 0.2"]
    assert study.weights(WAYS["pictures"], few).maps["image"].tolist() != (
        study.weights(WAYS[AS_IT_IS], few).maps["image"].tolist()
    )
    assert all(0 <= figure <= 1 for of_way in found.values() for column in of_way for figure in column)


@pytest.mark.parametrize(
    ("recall", "kind", "said"),
    [((0.01, 0.0, 0.0), 0.0, "adopted"), ((0.01, -0.01, 0.0), 0.0, "left out"), ((0.01, 0.0, 0.0), -0.02, "left out"),
     ((0.0, 0.0, 0.0), 0.05, "left out")],
)  # fmt: skip
def test_a_way_is_adopted_if_recall_gains_somewhere_and_nothing_is_lost(
    recall: tuple[float, ...], kind: float, said: str
) -> None:
    noise = np.random.default_rng(3).normal(0, 0.001, (3, 5, 4, 2))
    noise -= noise.mean(axis=(1, 2), keepdims=True)
    gains = {case: noise[place] + np.array([kind, recall[place]]) for place, case in enumerate(CASES)}
    assert verdict(gains) == said


def test_the_tables_show_every_way_in_every_case_and_the_decision() -> None:
    rng = np.random.default_rng(4)
    found = {case: {way: 0.5 + rng.normal(0, 0.01, (3, 4, 2)) for way in (MEAN, *WAYS)} for case in CASES}
    lines = told(found)
    rows = [sum(line.startswith(f"| {way} |") for line in lines) for way in (MEAN, *WAYS)]
    assert rows == [4, 3, *[4] * (len(WAYS) - 1)]
    assert len(augmentation.T) == 9 and lines[-1].endswith(("adopted |", "left out |"))
