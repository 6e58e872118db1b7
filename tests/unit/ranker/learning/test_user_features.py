"""User features: what they add to another model's predictions, how that is learned, and that nobody is a key."""

import msgspec
import numpy as np
import pytest

from ranker.learning.model import Outcomes, sigmoid
from ranker.learning.parameters import GROWTH
from ranker.learning.user_features import VARIANCE, WEIGHT_VARIANCE, UserFeatureModel, UserFeatures, keys_of
from ranker.profile.outcomes import HEADS

LIKE = HEADS.index("like")
GERMAN, FRENCH = (("language", "de"),), (("language", "fr"),)


def outcomes(labels: list[list[float]]) -> Outcomes:
    found = np.array(labels)
    return Outcomes(found, np.ones_like(found, np.bool_), np.ones(len(found), np.bool_))


def test_before_anything_is_learned_the_other_model_is_believed() -> None:
    logits = np.array([[-1.0, -4.0, 0.5], [2.0, 0.0, -3.0]])
    predicted = UserFeatureModel().predict(logits, [GERMAN, ()])
    assert predicted.logits.tolist() == logits.tolist()


def test_an_exposure_moves_each_effect_by_its_share_of_the_variance() -> None:
    model = UserFeatureModel()
    predicted = model.predict(np.zeros((1, 3)), [(*GERMAN, ("age", "30-39"))])
    model.learn(predicted, outcomes([[1, 0, 0]]))
    expected = np.array(VARIANCE) * np.array([0.5, -0.5, -0.5]) / (1 + 0.25 * 2 * np.array(VARIANCE))
    for key in (*GERMAN, ("age", "30-39")):
        assert model.effect[model.row(key)] == pytest.approx(expected)
    always = WEIGHT_VARIANCE * 0.5 / (1 + 0.25 * WEIGHT_VARIANCE)
    assert model.weights[0] == pytest.approx([always, 1, 1])  # the other model said 0, and nothing was known


def test_a_feature_that_many_share_tells_of_somebody_new() -> None:
    model, chance = UserFeatureModel(), np.random.default_rng(3)
    for _ in range(600):
        likes = [[0, chance.random() < 0.4, 0], [0, chance.random() < 0.02, 0]]
        model.learn(model.predict(np.full((2, 3), -2.0), [GERMAN, FRENCH]), outcomes(likes))
    german, french, other = sigmoid(model.predict(np.full((3, 3), -2.0), [GERMAN, FRENCH, ()]).logits)[:, LIKE]
    assert german == pytest.approx(0.4, abs=0.1)
    assert french < 0.08
    assert french < other < german
    assert not model.effect[0].any()  # of what nobody has


def test_there_is_room_for_more_keys_than_at_first() -> None:
    model = UserFeatureModel()
    keys = [("city", str(number)) for number in range(GROWTH + 3)]
    predicted = model.predict(np.zeros((1, 3)), [keys])
    assert len({*predicted.rows[0].tolist()}) == len(keys)
    assert (model.variance[1 : len(keys) + 1] == VARIANCE).all() and not model.variance[0].any()


def test_a_value_that_is_named_twice_counts_once() -> None:
    assert keys_of({"interests": ["food", "food"]}) == (("interests", "food"),)


@pytest.mark.parametrize("value", [True, "True"])
def test_a_truth_is_a_key_and_no_number(value: bool | str) -> None:
    assert keys_of({"creates": value}) == (("creates", "True"),)


def test_the_largest_numbers_have_a_bucket() -> None:
    text = b'{"user_id":"u1","features":{"a":1e308,"b":-12345678901234567,"c":0.25}}'
    assert keys_of(msgspec.json.decode(text, type=UserFeatures).features) == (("a", "1023"), ("b", "-53"), ("c", "0"))
