"""The learner: one Kalman step an exposure, corrections, batches, and what it makes of a world that it can learn."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from ranker.catalogue.entry import VideoFacts
from ranker.evaluation.metrics import auc
from ranker.learning import storage
from ranker.learning.clock import FULL_DAY
from ranker.learning.features import FEATURES, FIRST_LOGITS, FIRST_WEIGHTS, WEIGHT_VARIANCE
from ranker.learning.fields import FIELD_NAMES, FIELDS
from ranker.learning.learner import LearnedBatch, Learner, labels_of
from ranker.learning.model import DAILY_DRIFT, drift
from ranker.learning.parameters import Parameters
from ranker.profile.counters import NOTHING, Counters, SurfaceCounts
from ranker.profile.example import Example
from ranker.profile.fold import fold_batch
from ranker.profile.outcomes import FINISHED, HEADS, LIKED, SKIPPED
from schemas.messages.fields import DAY_MS
from tests.support.events import NOON, arrivals, liked, minute, watched

FACTS = {f"v{n}": VideoFacts(f"c{n % 3}", f"t{n % 2}", None, 20_000) for n in range(6)}


def example(
    video: str, at_ms: int = NOON, labels: int = 0, counters: Counters = NOTHING, *, is_first: bool = True
) -> Example:
    return Example(0, video, at_ms, labels, is_first, "feed", counters)


def learned(pairs: Iterable[tuple[str, Example]]) -> tuple[Parameters, list[LearnedBatch]]:
    parameters = Parameters()
    learner = Learner(parameters, FACTS)
    batches = [batch for user_id, one in pairs for batch in learner.take(user_id, one)]
    return parameters, [*batches, *learner.close()]


def row(parameters: Parameters, field: str, key: str) -> int:
    return parameters.row(FIELD_NAMES.index(field), key)


def test_the_first_exposure_moves_each_effect_by_its_variance_over_that_of_all() -> None:
    parameters, _ = learned([("ana", example("v1", labels=FINISHED))])
    known = [field.variance[0] for field in FIELDS if field.name not in ("music", "second tag", "third tag")]
    chance = 1 / (1 + math.exp(-FIRST_LOGITS[0]))
    curvature = chance * (1 - chance)
    scale = 1 + curvature * sum(known)
    for field, key in (("creator", "c1"), ("duration", "11 feed"), ("video", "v1")):
        at, variance = row(parameters, field, key), FIELDS[FIELD_NAMES.index(field)].variance[0]
        assert parameters.effect[at, 0] == pytest.approx(variance * (1 - chance) / scale, rel=0.02)
        assert parameters.variance[at, 0] == pytest.approx(variance * (1 - variance * curvature / scale), rel=0.02)
        assert parameters.counts[at].tolist() == [1, 1, 0, 0]
    assert not parameters.effect[0].any() and not parameters.counts[0].any()  # nobody's music is no key


def test_a_tag_has_one_effect_wherever_it_stands_among_the_tags_of_a_video() -> None:
    facts = {"sea": VideoFacts(tag="sea"), "both": VideoFacts(tag="dogs", more_tags=("sea", "fun"))}
    parameters = Parameters()
    learner = Learner(parameters, facts)
    for number, video in enumerate(("sea", "both", "sea")):
        [*learner.take("ana", example(video, minute(number), FINISHED))]
    [*learner.close()]
    assert row(parameters, "second tag", "sea") == row(parameters, "tag", "sea") != 0
    assert parameters.counts[row(parameters, "tag", "sea")].tolist() == [3, 3, 0, 0]
    assert parameters.counts[row(parameters, "third tag", "fun")].tolist() == [1, 1, 0, 0]
    assert parameters.effect[row(parameters, "tag", "sea"), 0] > parameters.effect[row(parameters, "tag", "fun"), 0] > 0


def test_who_likes_every_video_teaches_little_about_one() -> None:
    everything = Counters(0, NOON, LIKED, 0.0, 0.8, 0.0, (SurfaceCounts("feed", 10, 0, 10, 0),))
    of_all, of_one = (
        parameters.effect[row(parameters, "tag", "t1"), HEADS.index("like")]
        for parameters, _ in (
            learned([("ana", example("v1", labels=LIKED, counters=before))]) for before in (everything, NOTHING)
        )
    )
    assert 0 < of_all < of_one / 3


def test_the_weights_take_a_kalman_step_on_the_features() -> None:
    parameters, (batch,) = learned([("ana", example("v1", labels=LIKED))])
    for head, label in enumerate((0, 1, 0)):
        found, weights = batch.predicted.features[0, head], FIRST_WEIGHTS[head]
        chance = 1 / (1 + math.exp(-found @ weights))
        gain = WEIGHT_VARIANCE * found / (1 + chance * (1 - chance) * (WEIGHT_VARIANCE * found**2).sum())
        assert parameters.weights[head] == pytest.approx(weights + gain * (label - chance))
        assert np.linalg.eigvalsh(parameters.covariance[head]).min() > 0


@pytest.mark.parametrize(
    ("seconds", "exposures", "days"),
    [
        (36_000, FULL_DAY, 36_000 / 86_400),  # where many come, time counts
        (3650 * 86_400, 7, 7 / FULL_DAY),  # where few come, they do, for however many years
    ],
)
def test_the_weights_grow_uncertain_with_time_but_no_faster_than_exposures_come(
    seconds: int, exposures: int, days: float
) -> None:
    parameters = Parameters()
    drift(parameters, NOON // 1000, exposures)
    before = parameters.covariance.copy()
    drift(parameters, NOON // 1000 + seconds, exposures)
    assert np.diagonal(parameters.covariance - before, axis1=1, axis2=2) == pytest.approx(DAILY_DRIFT * days)
    assert (parameters.covariance - before).sum() == pytest.approx(len(HEADS) * len(FEATURES) * DAILY_DRIFT * days)
    again = parameters.covariance.copy()
    drift(parameters, NOON // 1000, exposures)  # late: no time has passed
    assert (parameters.covariance == again).all()


def test_what_happens_within_a_second_is_learned_in_one_order() -> None:
    some = [("ana", example("v1", NOON)), ("ben", example("v2", NOON + 1, FINISHED)), ("cy", example("v1", NOON + 2))]
    one, two = learned(some)[0], learned(some[::-1])[0]
    assert storage.dump(two) == storage.dump(one)


def test_what_is_said_within_the_second_belongs_to_the_exposure_and_later_corrects_it() -> None:
    like = example("v1", NOON + 1, LIKED, is_first=False)
    together, (batch,) = learned([("ana", example("v1")), ("ana", like)])
    assert labels_of(batch.opened[0].labels) == [0, 1, 0]
    assert together.totals.tolist() == [1, 0, 1, 0]
    late = example("v1", minute(1), LIKED, is_first=False)
    apart, batches = learned([("ana", example("v1")), ("ana", late)])
    assert [len(one.opened) for one in batches] == [1, 1]
    assert apart.totals.tolist() == [1, 0, 1, 0]
    at = row(apart, "video", "v1")
    assert apart.counts[at].tolist() == [1, 0, 1, 0]
    alone = learned([("ana", example("v1"))])[0]
    assert apart.effect[at, 1] > alone.effect[at, 1]
    assert apart.effect[at, 0] == alone.effect[at, 0]  # it says nothing of finishing


def test_many_exposures_in_one_second_move_no_effect_further_than_they_tell() -> None:
    crowd = [(f"p{n:04}", example("v1", labels=FINISHED if n % 4 else 0)) for n in range(1000)]
    _, batches = learned(crowd)
    assert max(len(one.opened) for one in batches) == 64
    assert batches[-1].predicted.probability[:, 0].mean() == pytest.approx(0.75, abs=0.03)


def test_it_learns_what_a_world_is_like_and_says_how_sure_it_is() -> None:
    chance = np.random.default_rng(3)
    taste = {"c0": 2.0, "c1": 0.0, "c2": -2.0}
    pairs = []
    for n in range(3000):
        video = f"v{chance.integers(6)}"
        finished = chance.random() < 1 / (1 + math.exp(-taste[FACTS[video].creator or ""]))
        pairs.append((f"p{chance.integers(50)}", example(video, NOON + 1000 * n, FINISHED if finished else SKIPPED)))
    _, batches = learned(pairs)
    chances = np.concatenate([one.predicted.probability for one in batches])[1000:, 0]
    labels = np.array([labels_of(one.labels)[0] for batch in batches for one in batch.opened])[1000:] > 0
    best = auc(np.array([taste[FACTS[one.video_id].creator or ""] for _, one in pairs[1000:]]), labels)
    assert auc(chances, labels) > best - 0.015
    for low, high in ((0.0, 0.3), (0.3, 0.7), (0.7, 1.0)):
        said = (low <= chances) & (chances < high)
        assert labels[said].mean() == pytest.approx(chances[said].mean(), abs=0.05)


def test_parameters_come_back_from_their_bytes_and_learn_on_alike(tmp_path: object) -> None:
    def story(names: Sequence[str], start: int) -> list[tuple[str, Example]]:
        return [(name, example(f"v{n % 6}", minute(start + n), n % 5)) for n, name in enumerate(names)]

    whole, _ = learned([*story(["ana", "ben"] * 20, 0), *story(["cy", "ana"] * 20, 100)])
    parameters, _ = learned(story(["ana", "ben"] * 20, 0))
    back = storage.load(storage.dump(parameters))
    learner = Learner(back, FACTS)
    for user_id, one in story(["cy", "ana"] * 20, 100):
        [*learner.take(user_id, one)]
    [*learner.close()]
    assert storage.dump(back) == storage.dump(whole)


@pytest.mark.parametrize("damage", [lambda data: data[:-40], lambda _: b"", lambda _: b"PK\x03\x04 nothing"])
def test_a_damaged_file_is_refused(damage: object) -> None:
    data = storage.dump(learned([("ana", example("v1"))])[0])
    with pytest.raises(storage.ParametersError, match="bytes hold no parameters"):
        storage.load(damage(data))  # type: ignore[operator]


def test_parameters_of_other_features_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = storage.dump(Parameters())
    monkeypatch.setattr(storage, "SHAPE", "others")
    with pytest.raises(storage.ParametersError, match="learned with other features"):
        storage.load(data)


def test_who_likes_a_video_again_and_again_is_learned_from_no_more_often_than_they_met_one() -> None:
    watches = [watched("ana", f"v{n}", minute(n)) for n in range(3)]
    likes = [liked("ana", f"v{n % 2}", minute(10 + n)) for n in range(60)]
    found = fold_batch({}, arrivals([*watches, *likes]), DAY_MS, for_learning=True)
    parameters = Parameters()
    learner = Learner(parameters, {})
    batches = [batch for user_id, one in found.examples for batch in learner.take(user_id, one)]
    batches += learner.close()
    assert parameters.totals[2] == parameters.totals[0] == len(watches)
    assert all(np.isfinite(batch.predicted.logits).all() for batch in batches)
    assert np.isfinite(parameters.weights).all() and np.isfinite(parameters.effect).all()
