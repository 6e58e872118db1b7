"""Another text model on a live system: encoding agents of both settings write, ranking agents of both settings read."""

from pathlib import Path

import numpy as np
import pytest

from encoders.embedder import VideoEmbedder
from encoders.fusion.embeddings import RETRIEVAL, fusion_of
from encoders.fusion.fusion import version_of
from encoders.modalities.configured import modalities_of
from encoders.modalities.text_models import TEXT_MODELS
from ranker.catalogue.catalogue import Catalogue
from ranker.library.library import VideoLibrary
from schemas.messages.videos import Encoded, Upload
from schemas.settings.model import Settings
from streams.operations.backfill import missing_uploads
from streams.ranking.shared_state import SharedState
from tests.support.events import NOON, uploaded

UPGRADES = [("minilm", "e5"), ("minilm", "multilingual"), ("e5", "multilingual")]
TITLES = ("a cat on a sofa", "ein Hund am Strand", "घर पर पास्ता", "снег в пустыне", "火山喷发", "rain in the old town")


def settings_of(models: Path, text_model: str) -> Settings:
    given = {"cache_dir": models.parents[1], "provider": "cpu", "text_model": text_model}
    return Settings.model_validate(given)


class Ranking:
    """What a ranking agent with one setting knows."""

    def __init__(self, settings: Settings) -> None:
        fusion = fusion_of(settings)
        self.version = version_of(fusion.version)
        self.catalogue = Catalogue(encoder=self.version)
        self.shared = SharedState(settings, self.catalogue, fusion)
        self.modalities = modalities_of(settings)

    def with_vectors(self) -> set[str]:
        return {name for name, row in self.catalogue.row_of.items() if self.catalogue.has_vector[row]}

    def known(self) -> set[str]:
        return set(self.catalogue.row_of)


IDS = [f"v{place}" for place in range(len(TITLES))]


@pytest.fixture(scope="module")
def everything(e5_models: Path, multilingual_models: Path) -> Path:
    """The model folder with all text models in it."""
    assert e5_models == multilingual_models
    return e5_models


@pytest.fixture(scope="module")
def embedders(everything: Path) -> dict[str, VideoEmbedder]:
    return {name: VideoEmbedder.of(settings_of(everything, name), replaying=True) for name in TEXT_MODELS}


@pytest.mark.parametrize(("old", "new"), UPGRADES)
def test_a_rolling_upgrade_loses_no_upload_and_compares_no_two_versions(
    old: str, new: str, everything: Path, embedders: dict[str, VideoEmbedder]
) -> None:
    uploads: list[Upload] = [uploaded(name, NOON + at, title=TITLES[at]) for at, name in enumerate(IDS)]
    log: list[Encoded] = []  # features.v1, in its order

    def embed(by: str, *given: Upload) -> list[Encoded]:
        made = [one for one in embedders[by].embed([(upload, None) for upload in given]) if isinstance(one, Encoded)]
        log.extend(made)
        return made

    embed(old, *uploads[:2])  # before
    embed(new, uploads[2])  # one encoding agent is restarted, the other is not yet
    embed(old, uploads[3])
    embed(new, *uploads[4:])
    rankings = {name: Ranking(settings_of(everything, name)) for name in (old, new)}
    for ranking in rankings.values():
        ranking.shared.apply_features(log)
        assert ranking.known() == set(IDS)  # as popular or fresh, each upload may be shown by both
    assert rankings[old].with_vectors() == {"v0", "v1", "v3"} and rankings[new].with_vectors() == {"v2", "v4", "v5"}

    library = VideoLibrary()
    library.take(log)
    missing = missing_uploads(uploads, library, rankings[new].modalities)
    assert {one.video_id for one in missing} == {"v0", "v1", "v3"}
    again = embed(new, *missing)
    for ranking in rankings.values():
        ranking.shared.apply_features(again)
    after = rankings[new]
    assert after.with_vectors() == after.known() == set(IDS) and rankings[old].known() == set(IDS)

    alone = Ranking(settings_of(everything, new))  # a catalogue that knows nothing but what the new model made
    alone.shared.apply_features(embed(new, *uploads))
    for name in IDS:
        (row,), (other,) = after.catalogue.rows([name]), alone.catalogue.rows([name])
        assert (after.catalogue.vectors[row] == alone.catalogue.vectors[other]).all()
    assert {one.vectors[RETRIEVAL].encoder for one in again} == {after.version}


@pytest.mark.parametrize(("old", "new"), UPGRADES)
def test_the_way_back_is_the_old_setting(
    old: str, new: str, everything: Path, embedders: dict[str, VideoEmbedder]
) -> None:
    upload = uploaded("v0", NOON, title=TITLES[0])
    of_old, of_new = (embedders[name].embed([(upload, None)]) for name in (old, new))
    before = Ranking(settings_of(everything, old))
    before.shared.apply_features([*of_old, *of_new, *of_old])
    assert before.with_vectors() == {"v0"} and np.isfinite(before.catalogue.vectors).all()
