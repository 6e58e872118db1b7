"""The learning step: each example counts once, and what is published is what was learned, wherever it is cut off."""

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from ranker.learning.gate import Gate
from ranker.learning.learner import Learner
from ranker.learning.parameters import Parameters
from ranker.profile.counters import NOTHING, SurfaceCounts
from ranker.profile.example import Example, joined
from ranker.profile.outcomes import FINISHED, LIKED
from schemas.settings.model import Settings
from streams.kafka.records import Record
from streams.learning.step import LearnerState, LearnOutcome, LearnStep
from tests.support.events import NOON, liked, watched
from tests.support.learning import (
    EXAMPLES,
    FACTS,
    VIDEOS,
    compacted,
    content,
    events,
    examples,
    new_state,
    read_back,
    records,
    written,
)


def learn(state: LearnerState, found: list[Record]) -> LearnOutcome:
    return LearnStep(Settings(), {0: state}, FACTS).apply([((EXAMPLES, 0), found)])


def learned_at_once(found: list[Example]) -> bytes:
    state = new_state()
    learn(state, records(found, len(found)))
    return content(state.parameters)


def restarted(log: list[tuple[str, bytes]]) -> LearnerState:
    """The state of a worker that reads the topic, as it is when compaction has run."""
    subscription = read_back(compacted(log), keep=True)
    assert subscription.current is not None
    return LearnerState(subscription.parameters, subscription.publication(), dict(subscription.current.learned))


def test_it_learns_what_the_learner_learns_of_a_log() -> None:
    found = examples(events(50))
    parameters = Parameters()
    learner = Learner(parameters, FACTS)
    for n, one in enumerate(joined(found)):
        [*learner.take(str(n), one)]
    [*learner.close()]
    assert content(parameters) == learned_at_once(found)


def test_an_example_that_comes_again_is_a_repeat() -> None:
    found, state = examples(events(30)), new_state()
    first = learn(state, records(found[:20], 5))
    before = content(state.parameters)
    again = learn(state, records(found[:20], 7))
    assert (first.examples, first.repeats, again.examples, again.repeats) == (20, 0, 0, 20)
    assert again.stages == ()
    assert content(state.parameters) == before
    assert learn(state, records(found, 30)).examples == 10


@pytest.mark.parametrize("learned_before", [1, 2])
def test_an_exposure_whose_events_a_crash_cuts_into_other_batches_counts_once(learned_before: int) -> None:
    """The profiles agent died when the examples of a batch were confirmed; it gets the events again, otherwise cut."""
    video, at_ms = VIDEOS[0].video_id, NOON
    happened = [watched("ana", video, at_ms), liked("ana", video, at_ms + 10)]
    together, state = examples(happened), new_state()
    apart = [replace(one, first=-1) for one in together]
    learn(state, records(together[:learned_before], 2))
    learn(state, records(together, 2) if learned_before == 1 else records(apart, 1))
    assert (together[0].labels, together[1].labels, together[1].first) == (FINISHED, LIKED, together[0].place)
    assert state.parameters.totals.tolist() == [1, 1, 1, 0]


def test_what_is_said_twice_counts_twice_whatever_the_batches() -> None:
    one, other = (video.video_id for video in VIDEOS[:2])
    happened = [liked("ana", one), watched("ana", other), liked("ana", one)]
    for size in (1, 2, 3):
        state = new_state()
        learn(state, records(examples(happened), size))
        assert state.parameters.totals.tolist() == [2, 1, 2, 0]


def test_each_partition_has_places_of_its_own() -> None:
    found, state = examples(events(10)), new_state()
    assert learn(state, records(found, 5, partition=0)).examples == 10
    assert learn(state, records(found, 5, partition=3)).examples == 10
    assert state.learned == {0: found[-1].place, 3: found[-1].place}


def test_who_reads_what_is_published_has_what_was_learned() -> None:
    found, state = examples(events(60)), new_state()
    log: list[tuple[str, bytes]] = []
    following = read_back([])
    for start in range(0, 60, 6):
        change = written(learn(state, records(found[start : start + 6], 3)).stages)
        log += change
        following.apply(change)
        for reader in (following, read_back(log), read_back(compacted(log))):
            assert content(reader.parameters) == content(state.parameters)
            assert reader.parameters.version == state.parameters.version == str(start // 6 + 1)


@pytest.mark.parametrize("seed", range(20))
def test_a_worker_that_is_killed_anywhere_learns_nothing_twice_and_forgets_nothing(seed: int) -> None:
    """Killed between any two records that it writes, and before its offsets are committed or after."""
    chance = np.random.default_rng(seed)
    found = examples(events(60))
    read = records(found, 2)
    log: list[tuple[str, bytes]] = []
    state, committed = new_state(), 0
    while committed < len(read):
        end = min(len(read), committed + int(chance.integers(1, 5)))
        change = written(learn(state, read[committed:end]).stages)
        if chance.random() < 0.5:
            written_before = int(chance.integers(0, len(change) + 1))
            log += change[:written_before]
            if not any(key == "manifest" for key, _ in log):
                state = new_state()
                continue
            state = restarted(log)
        else:
            log += change
            committed = end
        assert content(read_back(compacted(log)).parameters) == content(restarted(log).parameters)
    assert state.parameters.totals[0] == sum(one.is_first for one in found)
    assert content(read_back(log).parameters) == content(read_back(compacted(log)).parameters)


def test_what_was_half_written_when_a_worker_died_is_written_again() -> None:
    found = examples(events(40))
    state = new_state()
    log = written(learn(state, records(found[:20], 20)).stages)
    log += written(learn(state, records(found[20:39], 20)).stages)[:-1]  # all blocks, but no manifest
    state = restarted(log)
    log += written(learn(state, records(found[20:21], 1)).stages)  # less than it had learned before
    assert content(read_back(compacted(log)).parameters) == content(state.parameters)
    assert content(state.parameters) == learned_in_two(found[:20], found[20:21])


def learned_in_two(first: list[Example], second: list[Example]) -> bytes:
    state = new_state()
    learn(state, records(first, len(first)))
    learn(state, records(second, len(second)))
    return content(state.parameters)


def test_a_damaged_record_is_a_dead_letter_and_the_others_are_learned() -> None:
    good = records(examples(events(4)), 4)
    bad = Record(EXAMPLES, 0, 9, 0, b"0", b"\xff\x00nothing")
    outcome = learn(new_state(), [bad, *good])
    assert [letter.reason.value for letter in outcome.dead_letters] == ["internal"]
    assert outcome.examples == 4


def test_an_unknown_video_is_learned_by_what_is_known() -> None:
    state = new_state()
    LearnStep(Settings(), {0: state}, {}).apply([((EXAMPLES, 0), records(examples(events(5)), 5))])
    assert state.parameters.totals[0] == 5


@pytest.mark.parametrize(
    "damage",
    [
        {"at_ms": 2**62},
        {"at_ms": -1},
        {"place": -7},
        {"labels": 64},
        {"counters": replace(NOTHING, finish_rate=float("nan"))},
        {"counters": replace(NOTHING, like_rate=float("inf"))},
        {"counters": replace(NOTHING, at_ms=2**62)},
        {"counters": replace(NOTHING, surfaces=(SurfaceCounts("feed", -3, 0, 0, 0),))},
        {"counters": replace(NOTHING, surfaces=(SurfaceCounts("feed", 1, 2**60, 0, 0),))},
    ],
)
def test_an_example_that_nobody_can_have_made_is_a_dead_letter_and_teaches_nothing(damage: dict[str, Any]) -> None:
    good, state = examples(events(4)), new_state()
    bad = records([good[0], replace(good[1], **damage)], 2)
    outcome = learn(state, bad)
    assert [letter.reason.value for letter in outcome.dead_letters] == ["internal"]
    assert (outcome.examples, state.learned) == (0, {})
    assert learn(state, records(good, 4)).examples == 4
    assert np.isfinite(state.parameters.weights).all()


def test_a_withdrawal_that_comes_twice_gives_each_row_to_one_key() -> None:
    """A catalogue record comes twice where the encoding agent was killed."""
    found, state = examples(events(40)), new_state()
    gone = VIDEOS[0].video_id
    learn(state, records(found[:20], 20))
    state.gate = Gate(state.parameters)  # between two windows rows may change hands
    LearnStep(Settings(), {0: state}, FACTS, lambda: [gone, gone]).apply([((EXAMPLES, 0), [])])
    assert len(set(state.parameters.free)) == len(state.parameters.free) > 0
    learn(state, records(found[20:], 20))
    assert all(state.parameters.keys[row] == key for key, row in state.parameters.row_of.items())
