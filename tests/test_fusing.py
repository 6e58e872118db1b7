"""Learning the fusion again and again: new weights come in only if the newest pairs speak for them."""

from pathlib import Path

import numpy as np
import pytest

from encoders.base import unit_rows
from encoders.fuse import ATTENTION, read_attention
from encoders.stored import MODELS, packed
from ranker.gallery import Gallery
from ranker.train_fusion import Watched
from schemas.settings import Settings
from schemas.videos import Encoded
from streams.fusing import learn_fusion
from streams.trouble import Trouble
from tests.models import real_models
from tests.stories import minute

VIDEOS, KINDS = 60, 4


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache_dir=real_models().parent.parent, data_dir=tmp_path)


@pytest.fixture(scope="module")
def gallery() -> Gallery:
    """Videos in four kinds: their texts are noise, and three of their thousand numbers of a picture tell the kind."""
    rng = np.random.default_rng(2)
    made = Gallery()
    for number in range(VIDEOS):
        text, image = rng.standard_normal((1, 384)), 0.2 * rng.standard_normal((1, 1280))
        image[0, 3 * (number % KINDS) : 3 * (number % KINDS) + 3] += 2
        rows = {"text": unit_rows(text.astype(np.float32))[0], "image": unit_rows(image.astype(np.float32))[0]}
        vectors = {name: vector for name, row in rows.items() if (vector := packed(f"{name}@fp32-{MODELS}", row))}
        made.take([Encoded(video_id=f"v{number:02}", at_ms=1, vectors=vectors)])
    return made


def watches(seed: int, *, of_kind: bool) -> list[Watched]:
    """People who watch two videos a visit, of one kind or of any."""
    rng = np.random.default_rng(seed)
    made = []
    for visit in range(700):
        first = int(rng.integers(VIDEOS))
        second = (first + KINDS * int(rng.integers(1, VIDEOS // KINDS))) % VIDEOS
        pair = (first, second if of_kind else int(rng.integers(VIDEOS)))
        made += [Watched(f"p{visit}", f"v{video:02}", minute(100 * visit + place)) for place, video in enumerate(pair)]
    return made


def test_the_first_weights_are_kept_and_the_same_again_change_nothing(settings: Settings, gallery: Gallery) -> None:
    log, path = watches(1, of_kind=True), settings.data_dir / "fusion" / ATTENTION
    first = learn_fusion(settings, gallery, log, print)
    assert first.replaced and first.old is None and first.new > first.mean
    assert read_attention(path).version == first.version and list(path.parent.iterdir()) == [path]
    kept = path.stat().st_mtime_ns
    second = learn_fusion(settings, gallery, log, print)
    assert not second.replaced and second.old == second.new == first.new
    assert second.version == first.version and path.stat().st_mtime_ns == kept


def test_weights_that_the_newest_pairs_do_not_speak_for_stay_out(settings: Settings, gallery: Gallery) -> None:
    good, noise = watches(1, of_kind=True), watches(2, of_kind=False)
    before = learn_fusion(settings, gallery, good, print)
    newest = [one for one in good if one.at_ms >= minute(100 * 630)]
    after = learn_fusion(settings, gallery, [one for one in noise if one.at_ms < minute(100 * 630)] + newest, print)
    assert after.old == before.new and after.new < before.new and not after.replaced
    assert "no better" in str(after) and after.version == before.version
    back = learn_fusion(settings, gallery, good, print)
    assert back.version == before.version


def test_better_weights_take_the_place_of_worse_ones(settings: Settings, gallery: Gallery) -> None:
    worse = learn_fusion(settings, gallery, watches(2, of_kind=False), print)
    better = learn_fusion(settings, gallery, watches(1, of_kind=True), print)
    assert better.old is not None and better.new > better.old and better.replaced
    assert read_attention(settings.data_dir / "fusion" / ATTENTION).version == better.version != worse.version


@pytest.mark.parametrize("there", ["noise", "other models"])
def test_weights_that_cannot_be_compared_are_said_and_replaced(
    settings: Settings, gallery: Gallery, there: str
) -> None:
    path = settings.data_dir / "fusion" / ATTENTION
    path.parent.mkdir()
    if there == "noise":
        path.write_bytes(b"noise")
    else:
        np.savez(path, map_text=np.zeros((3, 256), np.float32), gate_text=np.zeros(4, np.float32))
    said: list[str] = []
    learned = learn_fusion(settings, gallery, watches(1, of_kind=True), said.append)
    assert learned.replaced and learned.old is None
    assert [line for line in said if line.startswith("not compared: ")]


def test_a_log_that_says_too_little_is_refused_and_the_weights_stay(settings: Settings, gallery: Gallery) -> None:
    with pytest.raises(Trouble, match="200 and 20 are the least"):
        learn_fusion(settings, gallery, watches(1, of_kind=True)[:300], print)
    assert not (settings.data_dir / "fusion").exists()
