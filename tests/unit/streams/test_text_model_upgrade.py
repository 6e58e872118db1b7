"""Another text model on a live system: encoding agents of both settings write, ranking agents of both settings read."""

from pathlib import Path

import numpy as np
import pytest

from encoders.embedder import VideoEmbedder
from encoders.fusion.embeddings import RETRIEVAL, fusion_of
from encoders.fusion.fusion import version_of
from encoders.modalities.configured import modalities_of
from ranker.catalogue.catalogue import Catalogue
from ranker.library.library import VideoLibrary
from schemas.messages.videos import Encoded, Upload
from schemas.settings.model import Settings
from streams.operations.backfill import missing_uploads
from streams.ranking.shared_state import SharedState
from tests.support.events import NOON, uploaded

OLD, NEW = "minilm", "e5"
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
def embedders(e5_models: Path) -> dict[str, VideoEmbedder]:
    return {name: VideoEmbedder.of(settings_of(e5_models, name), replaying=True) for name in (OLD, NEW)}


def test_a_rolling_upgrade_loses_no_upload_and_compares_no_two_versions(
    e5_models: Path, embedders: dict[str, VideoEmbedder]
) -> None:
    uploads: list[Upload] = [uploaded(name, NOON + at, title=TITLES[at]) for at, name in enumerate(IDS)]
    log: list[Encoded] = []  # features.v1, in its order

    def embed(by: str, *given: Upload) -> list[Encoded]:
        made = [one for one in embedders[by].embed([(upload, None) for upload in given]) if isinstance(one, Encoded)]
        log.extend(made)
        return made

    embed(OLD, *uploads[:2])  # before
    embed(NEW, uploads[2])  # one encoding agent is restarted, the other is not yet
    embed(OLD, uploads[3])
    embed(NEW, *uploads[4:])
    rankings = {name: Ranking(settings_of(e5_models, name)) for name in (OLD, NEW)}
    for ranking in rankings.values():
        ranking.shared.apply_features(log)
        assert ranking.known() == set(IDS)  # as popular or fresh, each upload may be shown by both
    assert rankings[OLD].with_vectors() == {"v0", "v1", "v3"} and rankings[NEW].with_vectors() == {"v2", "v4", "v5"}

    library = VideoLibrary()
    library.take(log)
    missing = missing_uploads(uploads, library, rankings[NEW].modalities)
    assert {one.video_id for one in missing} == {"v0", "v1", "v3"}
    again = embed(NEW, *missing)
    for ranking in rankings.values():
        ranking.shared.apply_features(again)
    new = rankings[NEW]
    assert new.with_vectors() == new.known() == set(IDS) and rankings[OLD].known() == set(IDS)

    alone = Ranking(settings_of(e5_models, NEW))  # a catalogue that knows nothing but what the new model made
    alone.shared.apply_features(embed(NEW, *uploads))
    for name in IDS:
        (row,), (other,) = new.catalogue.rows([name]), alone.catalogue.rows([name])
        assert (new.catalogue.vectors[row] == alone.catalogue.vectors[other]).all()
    assert {one.vectors[RETRIEVAL].encoder for one in again} == {new.version}


def test_the_way_back_is_the_old_setting(e5_models: Path, embedders: dict[str, VideoEmbedder]) -> None:
    upload = uploaded("v0", NOON, title=TITLES[0])
    old, new = (embedders[name].embed([(upload, None)]) for name in (OLD, NEW))
    before = Ranking(settings_of(e5_models, OLD))
    before.shared.apply_features([*old, *new, *old])
    assert before.with_vectors() == {"v0"} and np.isfinite(before.catalogue.vectors).all()
