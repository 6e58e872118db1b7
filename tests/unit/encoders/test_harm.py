"""What is judged in other languages than English, by the multilingual text model's vectors."""

from pathlib import Path

import pytest

from encoders.embedder import VideoEmbedder
from encoders.moderation.harm import FITTED, Harm
from encoders.moderation.policy import LIMITED, THRESHOLDS, Moderation, Thresholds
from schemas.messages.videos import Encoded
from schemas.settings.model import Settings
from tests.support.events import uploaded
from tests.support.models import real_embedder

INSULT, WARM = "Ты никчёмный идиот, и все это знают", "Gebäck zum Verlieben"


@pytest.fixture(scope="module")
def embedder(e5_models: Path) -> VideoEmbedder:
    settings = Settings(cache_dir=e5_models.parents[1], provider="cpu", text_model="e5")
    return VideoEmbedder.of(settings, replaying=True)  # opens no model but the text's


def test_a_harmful_title_in_another_language_is_limited_and_never_dropped(embedder: VideoEmbedder) -> None:
    rude, kind, silent = embedder.features(
        [uploaded("v1", title=INSULT), uploaded("v2", title=WARM), uploaded("v3", title="")]
    )
    assert isinstance(rude, Encoded) and rude.labels["safety:harm"] > THRESHOLDS["harm"].limit
    assert rude.labels[LIMITED] == 1.0 and rude.labels["safety:toxicity"] < THRESHOLDS["toxicity"].limit
    assert isinstance(kind, Encoded) and LIMITED not in kind.labels
    assert isinstance(silent, Encoded) and "safety:harm" not in silent.labels


def test_with_the_english_model_nothing_is_judged_by_vectors(e5_models: Path) -> None:
    (rude,) = real_embedder().features([uploaded("v1", title=INSULT)])
    assert isinstance(rude, Encoded) and "safety:harm" not in rude.labels
    assert Harm.of("fp32-0123456789abcdef") is None and Harm.of("") is None


def test_the_policys_version_changes_with_its_models_and_thresholds(e5_models: Path) -> None:
    one, again = (Moderation.load(e5_models, provider="cpu") for _ in range(2))
    multilingual = Moderation.load(e5_models, provider="cpu", text_version=Harm(FITTED["e5"]).fitted_for)
    stricter = Moderation(one.nudity, one.toxicity, {**THRESHOLDS, "toxicity": Thresholds(0.7, 0.98)})
    assert one.version == again.version and len({one.version, multilingual.version, stricter.version}) == 3
