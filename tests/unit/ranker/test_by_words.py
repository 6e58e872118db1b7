"""Words compared with several vectors of each video, whose cosines differ in height."""

import numpy as np
import pytest

from encoders.base import unit_rows
from encoders.modalities.modality import Scale
from ranker.library.by_words import merged, near_words
from ranker.library.library import Hit, VideoLibrary
from schemas.messages.vectors import encode_vector
from schemas.messages.videos import Encoded
from tests.support.events import NOON

SCALES = {"text": Scale(), "image_text": Scale(1.0, 0.1)}


def video(name: str, **rows: tuple[float, ...]) -> Encoded:
    vectors = {key: encode_vector(f"{key}@1", np.array(row, np.float32)) for key, row in rows.items()}
    return Encoded(video_id=name, at_ms=NOON, vectors={key: of for key, of in vectors.items() if of})


def test_a_video_without_a_title_is_found_by_what_is_seen_in_it() -> None:
    library = VideoLibrary()
    library.take([video("titled", text=(0.6, 0.8)), video("silent", image_text=(0.8, 0.6))])
    hits = near_words(library, np.array([1.0, 0.0], np.float32), SCALES, 5)
    assert [(hit.video.video_id, hit.by, round(hit.score, 4)) for hit in hits] == [
        ("silent", "image_text", 0.9),
        ("titled", "text", 0.6),
    ]


def test_a_video_that_fits_twice_stands_once_by_what_fits_best() -> None:
    both = video("both")
    found = {"text": [Hit(both, 0.5)], "image_text": [Hit(both, 0.3)]}
    assert merged(found, SCALES, 5) == [Hit(both, 0.5, "text")]
    assert merged({**found, "image_text": [Hit(both, 0.45)]}, SCALES, 5) == [
        Hit(both, pytest.approx(0.55), "image_text")
    ]


def test_equal_scores_are_ordered_by_id_and_no_more_than_asked_for_are_given() -> None:
    hits = [Hit(video(name), 0.5) for name in "dbac"]
    assert [hit.video.video_id for hit in merged({"text": hits}, SCALES, 3)] == ["a", "b", "c"]


def test_the_best_of_each_name_suffice_for_the_best_of_all() -> None:
    rng = np.random.default_rng(1)
    rows = unit_rows(rng.standard_normal((200, 8)).astype(np.float32)).reshape(2, 100, 8).tolist()
    library = VideoLibrary()
    pairs = zip(*rows, strict=True)
    library.take(video(f"v{n:03}", text=tuple(one), image_text=tuple(two)) for n, (one, two) in enumerate(pairs))
    query = np.eye(1, 8, dtype=np.float32)[0]
    everything = near_words(library, query, SCALES, 100)
    assert len(everything) == 100
    for k in (1, 5, 20):
        assert near_words(library, query, SCALES, k) == everything[:k]
