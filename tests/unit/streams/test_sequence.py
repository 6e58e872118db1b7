"""A sequence model: what it is trained on, the source that it is, and what is said of a file that cannot be used."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from encoders.embedder import VideoEmbedder
from encoders.models.sequence import open_sequence
from ranker.catalogue.catalogue import Catalogue
from ranker.feeds.feed import FeedContext
from ranker.feeds.load import build_feed
from ranker.pipeline import sources
from ranker.pipeline.types import Source
from ranker.profile.history import Interaction
from ranker.profile.model import EMPTY
from ranker.retrieval.exact import ExactIndex
from ranker.retrieval.sequence import SequenceRetrieval, recent_positives
from ranker.testing import SourceLaws, example_context
from ranker.testing.example import VIDEOS, example_queries
from schemas.messages import erasures, feedback, videos
from schemas.messages.erasures import Erasure
from schemas.settings.load import SettingsError
from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.logs.jsonl import read_log
from streams.logs.replay import Replay
from streams.operations import train_sequence as training
from streams.ranking.sequence import sequence_of
from tests.support.brokers import CACHE
from tests.support.events import minute, uploaded, watched, withdrew
from tests.support.sequence_files import write_sequence

IDS = [f"v{number:03}" for number in range(0, VIDEOS, 2)]


class TestSequence(SourceLaws):
    @pytest.fixture(autouse=True)
    def make_file(self, tmp_path: Path) -> None:
        self.file = write_sequence(tmp_path / "sequence.onnx", IDS)

    def source(self, context: FeedContext) -> Source:
        return sources.sequence(SequenceRetrieval(open_sequence(self.file), context.catalogue), 16)


def settings_of(file: Path | str) -> Settings:
    return Settings(cache_dir=CACHE.settings.cache_dir, sequence=str(file))


def lines_of(people: int = 12) -> list[bytes]:
    """People who each watch half of thirty videos, one a minute."""
    uploads = [videos.encode(uploaded(f"v{number}", minute(-1), title=f"Video {number}")) for number in range(30)]
    events = [
        watched(f"u{person}", f"v{(person * 7 + step * 3) % 30}", minute(step * people + person))
        for step in range(8)
        for person in range(people)
    ]
    return [*uploads, *map(feedback.encode, events)]


def replayed(settings: Settings, batch: int) -> tuple[str, Any]:
    async def run() -> tuple[str, Any]:
        replay = Replay(settings, VideoEmbedder.of(settings, replaying=True), batch=batch)
        slates = [slate async for slate in replay.run(read_log(lines_of()))]
        return replay.outcome.slate_digest, slates

    return asyncio.run(run())


def test_slates_have_its_candidates_and_the_same_bytes_at_any_batch(tmp_path: Path) -> None:
    file = write_sequence(tmp_path / "sequence.onnx", [f"v{number}" for number in range(0, 30, 2)])
    settings = settings_of(file)
    digest, slates = replayed(settings, 64)
    assert digest == replayed(settings, 1)[0] == replayed(settings, 7)[0]
    by_it = [item for slate in slates for item in slate.items if "sequence" in item.sources]
    assert by_it and all(int(item.video_id[1:]) % 2 == 0 for item in by_it)
    assert {slate.models["policy"] for slate in slates} == {f"home@2-sequence-{open_sequence(file).version}"}


def test_without_the_setting_there_is_no_such_source() -> None:
    catalogue, settings = Catalogue(), settings_of("")
    context = FeedContext(catalogue, ExactIndex(catalogue), settings, sequence=sequence_of(settings))
    pipeline = build_feed(context)
    assert "sequence" not in pipeline.source_names and pipeline.policy == "home@2"


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04", "another format"])
def test_a_file_that_cannot_be_used_is_named_with_what_to_do(tmp_path: Path, content: bytes | str | None) -> None:
    file = tmp_path / "sequence.onnx"
    if isinstance(content, str):
        write_sequence(file, IDS, form=content)
    elif content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"^FRESHET_SEQUENCE=.*: make it with `freshet train-sequence`\.$"):
        sequence_of(settings_of(file))


@pytest.mark.parametrize(("encoder", "is_found"), [("text@1", True), ("text@2", False)])
def test_a_video_that_it_does_not_know_comes_by_its_content_of_the_same_version(
    tmp_path: Path, encoder: str, is_found: bool
) -> None:
    catalogue = example_context().catalogue
    catalogue.encoder = "text@1"
    model = open_sequence(write_sequence(tmp_path / "sequence.onnx", IDS, encoder))
    found = SequenceRetrieval(model, catalogue).nearest([query.profile for query in example_queries()], VIDEOS)
    others = {catalogue.ids[row] for rows in found for row in rows.tolist()} - {*IDS}
    assert bool(others) == is_found
    with_vector = {catalogue.ids[row] for row in np.flatnonzero(catalogue.has_vector).tolist()}
    assert others <= with_vector


def test_videos_that_come_later_are_found_as_if_they_had_always_been_there(tmp_path: Path) -> None:
    model, profiles = (
        open_sequence(write_sequence(tmp_path / "s.onnx", IDS)),
        [one.profile for one in example_queries()],
    )
    whole, growing = Catalogue(), Catalogue()
    retrieval = SequenceRetrieval(model, growing)
    records = [videos.Encoded(video_id=f"v{number:03}", at_ms=minute(number)) for number in range(VIDEOS)]
    whole.apply(records)
    for start in range(0, VIDEOS, 37):
        growing.apply(records[start : start + 37])
        retrieval.nearest(profiles, 8)
    expected = SequenceRetrieval(model, whole).nearest(profiles, 8)
    for one, other in zip(retrieval.nearest(profiles, 8), expected, strict=True):
        assert one.tolist() == other.tolist()


def test_a_person_is_what_they_took_to_oldest_first() -> None:
    watches = (Interaction("half", 10, 49), Interaction("a", 20, 100), Interaction("b", 30, 60))
    profile = replace(EMPTY, watches=watches, likes=(Interaction("a", 40, 80),))
    assert recent_positives(profile) == ["b", "a"]
    assert recent_positives(profile, before_ms=40) == ["a", "b"]


def test_what_was_erased_or_withdrawn_or_comes_later_is_not_learned_from() -> None:
    lines = [
        feedback.encode(watched("ana", "v1", minute(1))),
        feedback.encode(watched("ben", "v1", minute(2))),
        feedback.encode(watched("ben", "v2", minute(3))),
        erasures.encode(Erasure(user_id="ana", at_ms=minute(4))).replace(b"{", b'{"kind":"erasure",', 1),
        videos.encode(withdrew("v2", minute(5))),
        feedback.encode(watched("cy", "v3", minute(9))),
    ]
    learned_from = training.read_watched(read_log(lines), minute(9)).people
    assert {user_id: [*taken] for user_id, taken in learned_from.items()} == {"ben": ["v1"]}


def test_without_torch_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "encoders.export.sequence", raising=False)
    with pytest.raises(OperatorError, match=r"needs torch, .*freshet\[train\]"):
        training.train_sequence(Settings(), training.Watched(), tmp_path / "s.onnx", None, print)


def chains(people: int = 400) -> training.Watched:
    """People who watch videos of twenty in a round, each from another one on."""
    taken = {f"u{one}": {f"v{(one + step) % 20}": minute(step) for step in range(6)} for one in range(people)}
    return training.Watched(taken, {}, minute(0), minute(6))


@pytest.mark.slow
def test_it_learns_what_comes_next_and_the_same_seed_gives_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch", reason="needs the extra train")
    from encoders.export import sequence

    out = tmp_path / "sequence.onnx"
    card = training.train_sequence(Settings(), chains(), out, None, print)
    model = open_sequence(out)
    assert (card["version"], card["videos"]) == (model.version, 20) and card["largest_difference_to_torch"] <= 1e-5
    assert json.loads(training.card_of(out).read_text()) == card
    name = {number: video_id for video_id, number in model.number.items()}
    nothing = np.zeros((20, 256), np.float32)
    vectors = model.videos(np.arange(1, 21), nothing)
    for start in range(20):
        before = np.array([model.number[f"v{(start + step) % 20}"] for step in range(3)], np.int64)
        expected = name[int((vectors @ model.person(before, nothing[:3])).argmax()) + 1]
        assert expected == f"v{(start + 3) % 20}"
    monkeypatch.setattr(sequence, "MOST_EPOCHS", 2)
    files = []
    for _ in range(2):
        training.train_sequence(Settings(), chains(), out, None, print)
        files.append(out.read_bytes())
    assert files[0] == files[1]


def test_too_few_people_are_no_training_set(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs the extra train")
    with pytest.raises(OperatorError, match="0 can be held out"):
        training.train_sequence(Settings(), chains(1), tmp_path / "s.onnx", None, print)
