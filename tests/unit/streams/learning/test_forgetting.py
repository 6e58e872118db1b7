"""What the learner gives up: keys that nobody meets for a month, and what is of a withdrawn video alone."""

from msgspec.structs import replace

from ranker.learning.fields import FIELD_NAMES
from ranker.learning.parameters import NOBODY
from ranker.profile.example import Example
from schemas.messages.fields import DAY_MS
from schemas.messages.videos import Withdrawn, encode
from schemas.settings.model import Settings
from schemas.topics import FEATURES
from streams.kafka.records import Record
from streams.learning.facts import VideoFactsState
from streams.learning.step import LearnerState, LearnStep
from tests.support.events import NOON
from tests.support.learning import EXAMPLES, FACTS, VIDEOS, compacted, content, examples, new_state, read_back, records
from tests.support.learning import events as happened
from tests.support.learning import written as as_written

Log = list[tuple[str, bytes]]


def learn(state: LearnerState, found: list[Example], log: Log, step: LearnStep | None = None) -> None:
    step = step or LearnStep(Settings(), {0: state}, FACTS)
    log += as_written(step.apply([((EXAMPLES, 0), records(found, 50))]).stages)


def later(found: list[Example], days: int, place: int) -> list[Example]:
    return [replace(one, at_ms=one.at_ms + days * DAY_MS, place=place + n) for n, one in enumerate(found)]


def months() -> tuple[LearnerState, Log]:
    """A hundred exposures, and on each of 31 days after that some of the first three videos alone."""
    state, log = new_state(), []
    found = examples(happened(100))
    learn(state, found, log)
    few = [one for one in found if one.video_id in {video.video_id for video in VIDEOS[:3]}]
    for day in range(1, 32):
        learn(state, later(few, day, 100 * day), log)
    learn(state, later(few * 20, 31, 5000), log)
    return state, log


def test_a_long_silence_forgets_nothing() -> None:
    state, log = new_state(), []
    found = examples(happened(100))
    learn(state, found, log)
    keys, spread = {*state.parameters.row_of}, state.parameters.covariance.max()
    learn(state, later(found, 400, 5000), log)
    assert keys <= {*state.parameters.row_of}
    assert state.parameters.covariance.max() < spread + 0.01


def videos_of(state: LearnerState) -> set[str]:
    return {key for field, key in state.parameters.row_of if field == FIELD_NAMES.index("video")}


def test_what_nobody_meets_for_a_month_is_given_up() -> None:
    state, log = months()
    assert videos_of(state) == {video.video_id for video in VIDEOS[:3]}
    assert state.parameters.keys.count(NOBODY) > 10
    for read in (log, compacted(log)):
        assert content(read_back(read).parameters) == content(state.parameters)


def test_rows_that_were_given_up_are_for_others() -> None:
    state, log = months()
    rows = len(state.parameters.keys)
    learn(state, later(examples(happened(100)), 32, 9000), log)
    assert len(state.parameters.keys) == rows
    assert len(videos_of(state)) > 10
    again = read_back(compacted(log), keep=True)
    assert content(again.parameters) == content(state.parameters)
    assert again.publication().lacking == ({*state.publication.lacking[0]}, {*state.publication.lacking[1]})
    assert sorted(again.parameters.free) == sorted(state.parameters.free)


def test_a_key_that_was_given_up_and_has_come_back_in_another_row_is_found_there() -> None:
    state, log = new_state(), []
    found = examples(happened(40))
    learn(state, found, log)
    reader = read_back(log)
    parameters = state.parameters
    rows = parameters.of_video(VIDEOS[0].video_id)[::-1]
    assert len(rows) > 1
    keys = [parameters.keys[row] for row in rows.tolist()]
    parameters.forget(rows)
    for row, key in zip(rows.tolist()[::-1], keys, strict=True):  # the other way round
        parameters.name(row, key)
    parameters.free.clear()
    state.publication.touch(rows)
    change = state.publication.change(state.learned)
    reader.apply([*change.blocks, change.manifest])
    assert reader.parameters.row_of == parameters.row_of


def test_a_withdrawn_video_is_given_up_at_once() -> None:
    videos, state, log = VideoFactsState(), new_state(), []
    videos.facts.update(FACTS)
    step = LearnStep(Settings(), {0: state}, videos.facts, videos.withdrawn)
    found = examples(happened(100))
    learn(state, found, log, step)
    gone = VIDEOS[0].video_id
    assert gone in videos_of(state)
    record = encode(Withdrawn(video_id=gone, at_ms=NOON + DAY_MS))
    videos.apply([Record(FEATURES.full(""), 0, 7, NOON, gone.encode(), record)])
    learn(state, later([one for one in found if one.video_id != gone] * 5, 1, 1000), log, step)
    assert gone not in videos_of(state)
    assert not [key for _, key in state.parameters.row_of if gone in key.split()]
    assert content(read_back(compacted(log)).parameters) == content(state.parameters)
