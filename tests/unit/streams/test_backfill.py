"""What a backfill takes up, and what it leaves alone."""

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from encoders.fusion.embeddings import RETRIEVAL
from encoders.fusion.weighted import Weighted
from encoders.models.manifest import MODELS, SPEECH_FOLDER
from ranker.library.library import VideoLibrary
from schemas.messages.vectors import decode_vector
from schemas.messages.videos import CatalogueRecord, Encoded, Vector
from streams.operations.backfill import is_as_stored, missing_uploads, with_places, with_what_is_kept
from tests.support.events import NOON, minute, uploaded, withdrawn, withdrew
from tests.support.models import built_in


def described(video_id: str, at_ms: int = NOON, models: str = MODELS, fused: str = "mean") -> Encoded:
    made = {"text": f"text-minilm@fp32-{models}", RETRIEVAL: f"{models}-{fused}"}
    vectors = {name: Vector(1, by, b"\0\0\x80?") for name, by in made.items()}
    return Encoded(video_id=video_id, at_ms=at_ms, vectors=vectors)


def gallery(*records: Encoded) -> VideoLibrary:
    made = VideoLibrary()
    made.take(records)
    return made


def wanted(*uploads: object, known: VideoLibrary) -> list[str]:
    return [one.video_id for one in missing_uploads(uploads, known, built_in())]  # type: ignore[arg-type]


def test_what_is_described_by_the_present_models_is_passed_over() -> None:
    known = gallery(described("a"), described("b", models="0123456789abcdef"))
    assert wanted(uploaded("c"), uploaded("b"), uploaded("a"), known=known) == ["b", "c"]


def test_another_fusion_needs_no_backfill_but_another_set_of_modalities_does() -> None:
    known = gallery(described("a", fused="attention-0a1b2c3d"), described("b", fused="mean-modalities-0a1b2c3d"))
    assert wanted(uploaded("a"), uploaded("b"), known=known) == ["b"]


def unit(dim: int, at: int = 0) -> bytes:
    return np.eye(1, dim, at, dtype="<f4").tobytes()


def vectors(*names: str, by: str = "") -> dict[str, Vector]:
    """A vector of each name, by the present models or by others."""
    present = {one.name: one.version for one in (*built_in(), *built_in().described)}
    dims = built_in().stored
    return {name: Vector(dims[name], f"{name}@{by or present[name]}", unit(dims[name])) for name in names}


MAPS = {"text": np.eye(384, 256, dtype=np.float32), "image": np.eye(1280, 256, k=1, dtype=np.float32)}
FUSION = Weighted(MAPS, "mean")


def kept(made: CatalogueRecord, *stored: Encoded) -> CatalogueRecord:
    return with_what_is_kept(made, gallery(*stored), FUSION, built_in())


def test_a_video_whose_media_cannot_be_read_any_more_keeps_what_was_seen_beside_its_new_text() -> None:
    stored = replace(
        described("a"),
        vectors=vectors("image") | vectors("text", "image_text", by="fp32-0123456789abcdef"),
        labels={"image:tabby": 0.7, "audio:rock": 0.6, "safety:nudity": 0.5, "safety:limited": 1.0, "safety:harm": 0.9},
        expires={"safety:limited": NOON + 9},
        duration_ms=700,
    )
    assert wanted(uploaded("a"), known=gallery(stored)) == ["a"]
    made = replace(described("a"), vectors=vectors("text"), labels={"safety:harm": 0.1}, tags=["Tabby", "mine"])
    whole = kept(made, stored)
    assert isinstance(whole, Encoded)
    assert whole.vectors.keys() == {"text", "image", RETRIEVAL}
    assert decode_vector(whole.vectors[RETRIEVAL], 256) == pytest.approx((np.eye(256)[0] + np.eye(256)[1]) / 2**0.5)
    assert whole.labels == {"image:tabby": 0.7, "safety:nudity": 0.5, "safety:limited": 1.0, "safety:harm": 0.1}
    assert (whole.expires, whole.tags, whole.duration_ms) == ({"safety:limited": NOON + 9}, ["Tabby", "mine"], 700)
    assert not is_as_stored(whole, gallery(stored)) and is_as_stored(whole, gallery(whole))


def test_nothing_is_kept_of_another_upload_of_other_models_or_where_all_could_be_read() -> None:
    stored = replace(described("a"), vectors=vectors("text", "image"))
    for made in (replace(stored, vectors=vectors("text"), at_ms=NOON + 1), stored, withdrawn("a", NOON)):
        assert kept(made, stored) is made
    outdated = replace(stored, vectors=vectors("image", by="int8-0123456789abcdef"))
    made = replace(stored, vectors=vectors("text"))
    assert kept(made, outdated) is made and kept(made) is made


def test_another_upload_and_a_withdrawal_are_never_as_stored() -> None:
    stored = described("a")
    assert is_as_stored(stored, gallery(stored))
    assert not is_as_stored(replace(stored, at_ms=NOON + 1), gallery(stored))
    assert not is_as_stored(withdrawn("a", NOON), gallery(stored)) and not is_as_stored(stored, gallery())


def test_where_nobody_can_tell_speech_from_music_no_sound_has_to_be_described(tmp_path: Path) -> None:
    heard = {"audio": next(f"audio@{one.version}" for one in built_in() if one.name == "audio")}
    assert not built_in(tmp_path).wants_backfill(heard)
    (tmp_path / SPEECH_FOLDER).mkdir()
    assert built_in(tmp_path).wants_backfill(heard)


def test_a_later_upload_is_taken_up_and_a_later_record_stays() -> None:
    known = gallery(described("a"), described("b", NOON + 9, models="0123456789abcdef"))
    assert wanted(uploaded("a", NOON + 1), uploaded("b"), known=known) == ["a"]


def test_of_several_uploads_the_newest_counts_and_a_withdrawal_ends_it() -> None:
    old, new = uploaded("a", NOON, title="old"), uploaded("a", minute(6), title="new")
    found = missing_uploads([new, old], VideoLibrary(), built_in())
    assert [one.title for one in found] == ["new"]
    assert wanted(uploaded("b"), withdrew("b", NOON + 1), known=VideoLibrary()) == []
    gone = VideoLibrary()
    gone.take([withdrawn("c", NOON + 1)])
    assert wanted(uploaded("c"), known=gone) == [] and wanted(uploaded("c", NOON + 2), known=gone) == ["c"]


def test_a_record_that_was_overtaken_by_an_older_one_is_known_until_it_is_put_behind_it() -> None:
    known = gallery(described("a", NOON + 5), described("a", NOON))
    assert known.overtaken == {"a"} and known.newest("a").at_ms == NOON + 5
    known.take([known.newest("a")])
    assert known.overtaken == set()


def test_a_withdrawal_of_a_log_holds_although_the_uploads_clock_was_three_minutes_ahead() -> None:
    assert wanted(uploaded("a", minute(3)), withdrew("a", NOON), known=VideoLibrary()) == []


def test_an_upload_that_was_given_a_later_time_is_known_by_the_time_at_which_it_was_sent() -> None:
    source = {"partition": 0, "offset": 7, "written_ms": minute(1), "at_ms": NOON}
    outdated = replace(described("a", minute(3) + 1, models="0123456789abcdef"), source=source)
    (found,) = missing_uploads([uploaded("a")], gallery(outdated), built_in())
    assert found.at_ms == minute(3) + 1
    (made,) = with_places([described("a", found.at_ms)], gallery(outdated))
    assert made.source == source
    assert wanted(uploaded("a"), known=gallery(replace(described("a", minute(3) + 1), source=source))) == []
