"""Learning the fusion again and again: new weights come in only if the newest pairs speak for them."""

from pathlib import Path

import numpy as np
import pytest
from confluent_kafka import KafkaError, KafkaException
from msgspec.structs import replace

from encoders.base import ModelError, Precision, unit_rows
from encoders.fusion.attention import ATTENTION, read_attention
from encoders.models.manifest import MODELS
from ranker.learning.fusion import Watched
from ranker.library.library import VideoLibrary
from schemas.messages.vectors import encode_vector
from schemas.messages.videos import Encoded
from schemas.settings.model import Settings
from streams.cli.train import train_repeatedly
from streams.errors import OperatorError
from streams.operations.train_fusion import Outcome, train_fusion
from tests.support.events import minute
from tests.support.models import built_in, real_models

VIDEOS, KINDS, VISITS = 60, 4, 280
NEWEST = minute(100 * VISITS * 9 // 10)  # from here on pairs are held out


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache_dir=real_models().parent.parent, data_dir=tmp_path)


@pytest.fixture(scope="module")
def gallery() -> VideoLibrary:
    return described()


def described(models: str = MODELS, pictures: Precision = "int8") -> VideoLibrary:
    """Videos in four kinds: their texts are noise, and three of their thousand numbers of a picture tell the kind."""
    rng = np.random.default_rng(2)
    made = VideoLibrary()
    for number in range(VIDEOS):
        text, image = rng.standard_normal((1, 384)), 0.2 * rng.standard_normal((1, 1280))
        image[0, 3 * (number % KINDS) : 3 * (number % KINDS) + 3] += 2
        rows = {"text": unit_rows(text.astype(np.float32))[0], "image": unit_rows(image.astype(np.float32))[0]}
        by = {one.name: f"{one.name}@{one.version.replace(MODELS, models)}" for one in built_in(precision=pictures)}
        vectors = {name: vector for name, row in rows.items() if (vector := encode_vector(by[name], row))}
        made.take([Encoded(video_id=f"v{number:02}", at_ms=1, vectors=vectors)])
    return made


def watches(seed: int, *, of_kind: bool) -> list[Watched]:
    """People who watch two videos a visit, of one kind or of any."""
    rng = np.random.default_rng(seed)
    made = []
    for visit in range(VISITS):
        first = int(rng.integers(VIDEOS))
        second = (first + KINDS * int(rng.integers(1, VIDEOS // KINDS))) % VIDEOS
        pair = (first, second if of_kind else int(rng.integers(VIDEOS)))
        made += [Watched(f"p{visit}", f"v{video:02}", minute(100 * visit + place)) for place, video in enumerate(pair)]
    return made


def test_the_first_weights_are_kept_and_the_same_again_change_nothing(
    settings: Settings, gallery: VideoLibrary
) -> None:
    log, path = watches(1, of_kind=True), settings.data_dir / "fusion" / ATTENTION
    first = train_fusion(settings, gallery, log, print)
    assert first.replaced and first.old is None and first.new > first.mean
    assert read_attention(path).version == first.version and list(path.parent.iterdir()) == [path]
    kept = path.stat().st_mtime_ns
    second = train_fusion(settings, gallery, log, print)
    assert not second.replaced and second.old == second.new == first.new
    assert second.version == first.version and path.stat().st_mtime_ns == kept


def test_weights_that_the_newest_pairs_do_not_speak_for_stay_out(settings: Settings, gallery: VideoLibrary) -> None:
    good, noise = watches(1, of_kind=True), watches(2, of_kind=False)
    before = train_fusion(settings, gallery, good, print)
    newest = [one for one in good if one.at_ms >= NEWEST]
    after = train_fusion(settings, gallery, [one for one in noise if one.at_ms < NEWEST] + newest, print)
    assert after.old == before.new and after.new < before.new and not after.replaced
    assert "no better" in str(after) and after.version == before.version
    back = train_fusion(settings, gallery, good, print)
    assert back.version == before.version


def test_better_weights_take_the_place_of_worse_ones(settings: Settings, gallery: VideoLibrary) -> None:
    worse = train_fusion(settings, gallery, watches(2, of_kind=False), print)
    better = train_fusion(settings, gallery, watches(1, of_kind=True), print)
    assert better.old is not None and better.new > better.old and better.replaced
    assert read_attention(settings.data_dir / "fusion" / ATTENTION).version == better.version != worse.version


@pytest.mark.parametrize("there", ["noise", "other models"])
def test_weights_that_cannot_be_compared_are_said_and_replaced(
    settings: Settings, gallery: VideoLibrary, there: str
) -> None:
    path = settings.data_dir / "fusion" / ATTENTION
    path.parent.mkdir()
    if there == "noise":
        path.write_bytes(b"noise")
    else:
        np.savez(path, map_text=np.zeros((3, 256), np.float32), gate_text=np.zeros(4, np.float32))
    said: list[str] = []
    learned = train_fusion(settings, gallery, watches(1, of_kind=True), said.append)
    assert learned.replaced and learned.old is None
    assert [line for line in said if line.startswith("not compared: ")]


def test_a_log_that_says_too_little_is_refused_and_the_weights_stay(settings: Settings, gallery: VideoLibrary) -> None:
    with pytest.raises(OperatorError, match="200 and 20 are the least"):
        train_fusion(settings, gallery, watches(1, of_kind=True)[:300], print)
    assert not (settings.data_dir / "fusion").exists()


def test_what_other_models_made_is_not_learned_from(settings: Settings, gallery: VideoLibrary, tmp_path: Path) -> None:
    log, said = watches(1, of_kind=True), list[str]()
    with_fp32 = train_fusion(settings, described(pictures="fp32"), log, said.append)
    assert f"{VIDEOS} of {VIDEOS} videos have vectors of other models" in said[0] and "freshet backfill" in said[0]
    bare = VideoLibrary()
    bare.take([replace(one, vectors={"text": one.vectors["text"]}) for one in gallery.videos.values()])
    alone = train_fusion(settings.model_copy(update={"data_dir": tmp_path / "alone"}), bare, log, print)
    assert with_fp32.version == alone.version and (with_fp32.new, with_fp32.mean) == (alone.new, alone.mean)


def test_where_other_models_described_all_a_backfill_comes_first(settings: Settings) -> None:
    with pytest.raises(OperatorError, match=f"holds 0 pairs .* {VIDEOS} of {VIDEOS} videos .* run `freshet backfill`"):
        train_fusion(settings, described(models="0123456789abcdef"), watches(1, of_kind=True), print)
    assert not (settings.data_dir / "fusion").exists()


def test_rounds_outlive_a_broker_that_goes_away_and_end_where_models_are_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    away = KafkaException(KafkaError(KafkaError._TRANSPORT))
    faults = [
        OperatorError("Too short."),
        away,
        TimeoutError(),
        ModelError("no file"),
        SystemExit("one round too many"),
    ]

    def learn() -> Outcome:
        raise faults.pop(0)

    with pytest.raises(ModelError, match="no file"):
        train_repeatedly(learn, every=1e-9)
    said = capsys.readouterr().err
    assert said.count("the next round begins") == 3
    assert "Too short." in said and "KafkaException" in said and "TimeoutError" in said
