"""What a backfill takes up, and what it leaves alone."""

from msgspec.structs import replace

from encoders.fusion.embeddings import RETRIEVAL
from encoders.models.manifest import MODELS
from ranker.library.library import VideoLibrary
from schemas.messages.videos import Encoded, Vector
from streams.operations.backfill import loses, missing_uploads, with_places
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


def test_a_video_whose_media_cannot_be_read_any_more_keeps_the_vectors_of_the_present_models() -> None:
    text, image, _ = built_in()
    vector = {one.name: Vector(1, f"{one.name}@{one.version}", b"\0\0\x80?") for one in (text, image)}
    seen = replace(described("a"), vectors=vector)
    outdated = replace(described("b"), vectors=vector | {"image": Vector(1, "image@fp32-0123456789abcdef", b"")})
    library, text_alone = gallery(seen, outdated), {"text": vector["text"]}
    assert wanted(uploaded("a"), known=library) == ["a"]  # it lacks a description
    lost, nothing, later = (replace(described(name), vectors=text_alone) for name in ("a", "b", "c"))
    assert [loses(one, library, built_in()) for one in (lost, nothing, later)] == [True, False, False]
    assert not loses(replace(lost, at_ms=NOON + 1), library, built_in())  # of another upload
    assert not loses(withdrawn("a", NOON), library, built_in())


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
