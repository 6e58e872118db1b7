"""What is judged in other languages than English, by the multilingual text model's vectors."""

from pathlib import Path

import numpy as np
import pytest

from encoders.base import TextModelName
from encoders.embedder import VideoEmbedder
from encoders.modalities.text import TextEncoder
from encoders.moderation.harm import FITTED, Harm
from encoders.moderation.policy import LIMITED, THRESHOLDS, Moderation, Thresholds
from schemas.messages.videos import Encoded
from schemas.settings.model import Settings
from tests.bench.gate import TITLES, judged
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


@pytest.mark.parametrize("model", FITTED)
def test_harm_was_learned_from_the_present_model_and_finds_most_of_what_was_not_learned(
    model: TextModelName, e5_models: Path, multilingual_models: Path
) -> None:
    encoder, of = TextEncoder(e5_models, model=model, provider="cpu"), judged(TITLES)
    harm = Harm.of(encoder.version)
    assert harm is not None, "run `python -m tests.bench.gate --fit`"
    limited = np.array([harm(row) >= THRESHOLDS["harm"].limit for row in encoder.encode(of.texts)])
    assert limited[of.harmful].mean() > 0.65 and limited[~of.harmful].mean() < 0.03  # seen: 0.74 and 0.00
    assert harm(np.zeros(384, np.float32)) == 0.0


def test_the_policys_version_changes_with_its_models_and_thresholds(e5_models: Path) -> None:
    one, again = (Moderation.load(e5_models, provider="cpu") for _ in range(2))
    multilingual = Moderation.load(e5_models, provider="cpu", text_version=Harm(FITTED["e5"]).fitted_for)
    stricter = Moderation(one.nudity, one.toxicity, {**THRESHOLDS, "toxicity": Thresholds(0.7, 0.98)})
    assert one.version == again.version and len({one.version, multilingual.version, stricter.version}) == 3
