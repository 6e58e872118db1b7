"""Search, similar videos, re-uploads and playlists on a handful of videos."""

from collections.abc import Sequence

import numpy as np
import pytest
from msgspec.structs import replace

from ranker.library.duplicates import groups, reuploads
from ranker.library.library import VideoLibrary
from ranker.library.playlist import Wish, playlist
from ranker.retrieval.index import SearchFilter
from schemas.messages.videos import Encoded, Vector
from tests.support.events import NOON, encoded, withdrawn


def toward(*directions: tuple[int, float], dim: int = 8) -> np.ndarray:
    row = np.zeros(dim, np.float32)
    for place, length in directions:
        row[place] = length
    return (row / np.linalg.norm(row)).astype(np.float32)


def with_vectors(video: Encoded, encoder: str = "e@1", **rows: np.ndarray) -> Encoded:
    made = {name: Vector(len(row), encoder, row.astype("<f4").tobytes()) for name, row in rows.items()}
    return replace(video, vectors={**video.vectors, **made})


def gallery_of(*videos: Encoded) -> VideoLibrary:
    gallery = VideoLibrary()
    gallery.take(videos)
    return gallery


def ids(found: Sequence[object]) -> list[str]:
    return [one.video.video_id for one in found]  # type: ignore[attr-defined]


SAME = {"image": 0.97, "audio": 0.97}
CAT, CAT_TOO, CAR = toward((0, 1)), toward((0, 1), (1, 0.4)), toward((4, 1))


def three() -> VideoLibrary:
    return gallery_of(
        with_vectors(encoded("cats-1", language="en", category="pets"), text=CAT),
        with_vectors(encoded("cats-2", NOON + 5, language="de", category="pets"), text=CAT_TOO),
        with_vectors(encoded("cars-1", language="en", category="cars"), text=CAR, image=CAR),
    )


def test_a_search_finds_what_is_meant_best_first() -> None:
    hits = three().near(CAT, "text", 2)
    assert ids(hits) == ["cats-1", "cats-2"]
    assert hits[0].score == pytest.approx(1.0) and hits[1].score == pytest.approx(1 / np.sqrt(1.16))


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (SearchFilter(languages=("en",)), ["cats-1", "cars-1"]),
        (SearchFilter(categories=("cars",)), ["cars-1"]),
        (SearchFilter(not_before_ms=NOON + 1), ["cats-2"]),
        (SearchFilter(exclude=frozenset({"cats-1"})), ["cats-2", "cars-1"]),
    ],
)
def test_a_search_keeps_to_its_conditions(where: SearchFilter, expected: list[str]) -> None:
    assert ids(three().near(CAT, "text", 5, where)) == expected


def test_a_column_that_follows_its_videos_is_the_one_that_is_built_from_them() -> None:
    rng = np.random.default_rng(7)
    names, live = [f"v{number:03}" for number in range(60)], VideoLibrary()
    for turn in range(300):
        name, at_ms = str(rng.choice(names)), NOON + turn
        match int(rng.integers(4)):
            case 0:
                live.take([withdrawn(name, at_ms)])
            case 1:
                live.take([encoded(name, at_ms)])  # without a text
            case _:
                encoder = "e@2" if turn in (150, 151) else "e@1"
                text = toward(*[(place, float(rng.standard_normal())) for place in range(8)])
                live.take([with_vectors(encoded(name, at_ms), encoder, text=text)])
        built = gallery_of(*live.videos.values())
        for column in ("text", "retrieval"):
            (videos, rows), (expected, expected_rows) = live.column(column), built.column(column)
            assert videos == expected and np.array_equal(rows, expected_rows)
    assert len(live.column("text")[0]) > 20


def test_what_is_equally_near_is_ordered_by_id() -> None:
    same = [with_vectors(encoded(name), text=CAT) for name in ("c", "a", "b", "d")]
    assert ids(gallery_of(*same).near(CAT, "text", 3)) == ["a", "b", "c"]


def test_similar_videos_leave_out_the_video_itself() -> None:
    assert ids(three().similar("cats-1", "text", 5)) == ["cats-2", "cars-1"]
    with pytest.raises(KeyError):
        three().similar("cats-1", "image", 5)


def test_vectors_of_two_encoder_versions_are_not_compared() -> None:
    gallery = three()
    gallery.take([with_vectors(encoded("old"), encoder="e@0", text=CAT)])
    assert "old" not in ids(gallery.near(CAT, "text", 9))


def test_asking_with_a_vector_of_another_length_is_an_error() -> None:
    with pytest.raises(ValueError, match="got 3 dimensions, the videos' text vectors have 8"):
        three().near(CAT[:3], "text", 1)


def test_a_withdrawn_video_is_not_found_and_an_older_upload_does_not_bring_it_back() -> None:
    gallery = three()
    gallery.take([withdrawn("cats-1", NOON + 9), with_vectors(encoded("cats-1", NOON + 8), text=CAT)])
    assert "cats-1" not in ids(gallery.near(CAT, "text", 9))
    gallery.take([with_vectors(encoded("cats-1", NOON + 10), text=CAT)])
    assert "cats-1" in ids(gallery.near(CAT, "text", 9))


def test_a_reupload_looks_and_sounds_the_same_and_is_as_long() -> None:
    def video(name: str, at: int, seconds: int, *, image: np.ndarray | None = CAT, audio: np.ndarray = CAT) -> Encoded:
        rows = {"audio": audio} if image is None else {"image": image, "audio": audio}
        return with_vectors(encoded(name, NOON + at, duration_ms=1000 * seconds), **rows)

    gallery = gallery_of(
        video("stolen", 9, 20),
        video("first", 1, 20),
        video("stolen-again", 12, 20, image=toward((0, 1), (1, 0.02))),
        video("other-sound", 3, 20, audio=CAR),
        video("other-picture", 4, 20, image=CAR),
        video("cut", 5, 12),
        video("sound-only", 6, 20, image=None),
    )
    [group] = groups(reuploads(gallery, SAME))
    assert [one.video_id for one in group] == ["first", "stolen", "stolen-again"]
    pair = reuploads(gallery, SAME)[0]
    assert pair.first.video_id == "first" and pair.alike["audio"] == 1.0


def test_a_text_alone_makes_no_reupload() -> None:
    one, other = (with_vectors(encoded(name), text=CAT) for name in ("a", "b"))
    assert not reuploads(gallery_of(one, other), SAME)


def world() -> VideoLibrary:
    rng = np.random.default_rng(1)
    videos = []
    for kind, axis in (("cook", 0), ("plant", 100), ("train", 200)):
        for number in range(12):
            row = rng.standard_normal(256) * 0.05
            row[axis] += 1
            text = toward((axis // 100, 1.0), (5, 0.1 * number))
            video = encoded(f"{kind}-{number:02}", vector=row.tolist(), creator_id=f"by-{kind}-{number % 3}")
            videos.append(with_vectors(video, text=text))
    return gallery_of(*videos)


def interests(gallery: VideoLibrary, *video_ids: str) -> np.ndarray:
    videos, rows = gallery.column("retrieval")
    return rows[[[video.video_id for video in videos].index(one) for one in video_ids]]


def test_a_playlist_is_about_what_a_person_likes_without_repeating_it() -> None:
    gallery = world()
    wish = Wish(interests(gallery, "cook-00"), exclude=frozenset({"cook-00"}))
    found = ids(playlist(gallery, wish, 6))
    assert len(set(found)) == 6 and "cook-00" not in found
    assert {one.partition("-")[0] for one in found} == {"cook"}


def test_a_theme_leads_where_no_interest_does() -> None:
    gallery = world()
    steps = playlist(gallery, Wish(np.zeros((0, 256), np.float32), toward((2, 1.0))), 6)
    assert {one.partition("-")[0] for one in ids(steps)} == {"train"}
    assert steps[0].theme > 0.99 and steps[0].follows == 0.0 and steps[1].follows > 0.5


def test_a_playlist_does_not_play_one_creator_twice_in_a_row_while_there_are_others() -> None:
    gallery = world()
    found = playlist(gallery, Wish(interests(gallery, "cook-00")), 6)
    makers = [step.video.creator_id for step in found]
    assert all(len(set(makers[at : at + 3])) == 3 for at in range(len(makers) - 2))


def test_a_playlist_leaves_out_duplicates() -> None:
    gallery = world()
    first = playlist(gallery, Wish(interests(gallery, "cook-00")), 1)[0].video
    gallery.take([replace(first, video_id="duplicate", creator_id="somebody")])
    found = ids(playlist(gallery, Wish(interests(gallery, "cook-00")), 12))
    assert len({first.video_id, "duplicate"} & set(found)) == 1


def test_the_same_wish_gives_the_same_playlist_and_one_of_nothing_is_empty() -> None:
    gallery = world()
    wish = Wish(interests(gallery, "plant-03"), toward((0, 1.0)))
    assert playlist(gallery, wish, 9) == playlist(gallery, wish, 9)
    assert not playlist(gallery, wish, 0) and not playlist(VideoLibrary(), wish, 5)
