"""The simulated log: the same for the same seed, with titles that mean something and people who act by their tastes."""

import re
from collections import Counter
from itertools import islice, pairwise

import msgspec
import numpy as np
import pytest

from ranker.simulation.titles import KINDS, titles
from ranker.simulation.world import SPAN_MS, Person, catalogue, population, react, react_to_slate, simulated_log
from schemas.messages import feedback, videos
from schemas.messages.feedback import Feedback, Like, Skip, Watch
from schemas.messages.recommendations import Item, Recommendation, Trigger
from schemas.messages.videos import Upload
from streams.logs.jsonl import Line, read_log
from tests.support.events import NOON

ANA = Person("ana", ("piano", "cats"), 1.0)


def log_of(seed: int, count: int = 600) -> list[Upload | Feedback]:
    return list(simulated_log(seed, people=20, videos=120, events=count, start_ms=NOON))


def test_the_same_seed_gives_the_same_log_and_another_seed_another():
    assert log_of(7) == log_of(7)
    assert log_of(7) != log_of(8)


def test_a_log_is_in_order_of_time_and_holds_what_was_asked_for():
    log = log_of(1)
    assert all(one.at_ms <= other.at_ms for one, other in pairwise(log))
    assert all(NOON <= message.at_ms < NOON + SPAN_MS for message in log)
    assert sum(isinstance(message, Upload) for message in log) == 120
    assert sum(not isinstance(message, Upload) for message in log) == 600


def test_nobody_watches_what_is_not_uploaded_yet():
    there: set[str] = set()
    for message in log_of(3):
        if isinstance(message, Upload):
            there.add(message.video_id)
        else:
            assert message.video_id in there


def test_every_line_of_a_log_can_be_used_and_every_event_has_an_id_of_its_own():
    encoded = [
        videos.encode(message) if isinstance(message, Upload) else feedback.encode(message) for message in log_of(2)
    ]
    lines = list(read_log(encoded))
    assert all(isinstance(line, Line) for line in lines)
    ids = [line.message.event_id for line in lines if not isinstance(line.message, Upload)]
    assert len(set(ids)) == len(ids) == 600


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_at_least_forty_titles_in_plain_sentences(kind: str):
    made = [title for title, _ in titles(kind)]
    assert len(set(made)) == len(made) >= 40
    for title in made:
        assert re.fullmatch(r"[A-Z][\w '’,.-]+", title), title
        assert len(title.split()) >= 3, title
        assert not re.search(r"\d", title), title
        assert not re.search(r"\b(\w+) \1\b", title), title  # no word twice in a row


def test_a_catalogue_of_four_hundred_has_no_title_twice():
    made = [video.title for video in catalogue(0, 400, NOON)]
    assert len(set(made)) == 400


def test_more_videos_than_titles_become_second_parts():
    made = [video.title or "" for video in catalogue(0, 700, NOON)]
    assert len(set(made)) == 700
    assert sum(title.endswith(", part 2") for title in made) == 100


def test_people_have_one_to_three_tastes_and_are_not_equally_active():
    people = population(5, 100)
    assert {len(person.tastes) for person in people} == {1, 2, 3}
    assert all(set(person.tastes) <= set(KINDS) for person in people)
    assert max(person.activity for person in people) > 5 * min(person.activity for person in people)


def test_what_people_like_is_to_their_taste_and_what_they_skip_is_not():
    people = {person.user_id: person for person in population(4, 50)}
    to_taste: Counter[tuple[str, bool]] = Counter()
    known: dict[str, Upload] = {}
    for message in simulated_log(4, people=50, videos=200, events=4000, start_ms=NOON):
        if isinstance(message, Upload):
            known[message.video_id] = message
        else:
            kind = str(type(message).__struct_config__.tag)
            to_taste[kind, people[message.user_id].likes(known[message.video_id])] += 1
    assert to_taste["like", True] > 10 * to_taste["like", False]
    assert to_taste["skip", False] > 3 * to_taste["skip", True]


def test_a_person_watches_on_only_what_is_to_their_taste():
    chance = np.random.default_rng(1)
    of = {kind: next(video for video in catalogue(0, 20, NOON) if video.category == kind) for kind in KINDS}
    shares = {
        kind: np.mean(
            [
                event.watched_ms / (event.duration_ms or 1)
                for _ in range(100)
                for event in react(ANA, of[kind], NOON, chance)
                if isinstance(event, Watch)
            ]
        )
        for kind in ("piano", "football")
    }
    assert shares["piano"] > 0.6 > 0.5 > shares["football"]


def test_a_like_comes_with_its_watch_as_one_exposure():
    log = [message for message in log_of(6, 601)[:-1] if not isinstance(message, Upload)]
    watched = {(event.user_id, event.video_id, event.at_ms) for event in log if isinstance(event, Watch)}
    likes = [(event.user_id, event.video_id, event.at_ms) for event in log if isinstance(event, Like)]
    assert likes
    assert set(likes) <= watched


def test_a_person_reacts_to_a_slate_from_top_to_bottom():
    known = {video.video_id: video for video in islice(catalogue(0, 30, NOON), 30)}
    shown = ["v3", "v10", "gone", "v7"]
    items = [Item(rank, video_id, 0.5, {}, 1.0, [], []) for rank, video_id in enumerate(shown, 1)]
    trigger = Trigger(None, "freshet.feedback.v1", 0, 0, NOON)
    slate = Recommendation("1.0", "r1", "ana", 1, NOON, NOON, trigger, {}, {}, [], items, False)
    acts = list(react_to_slate(ANA, slate, known, NOON, np.random.default_rng(0)))
    assert [act.rank for act in acts] == sorted(act.rank or 0 for act in acts)
    assert {act.video_id for act in acts} == {"v3", "v10", "v7"}
    assert {act.recommendation_id for act in acts} == {"r1"}
    assert [act.at_ms for act in acts] == sorted(act.at_ms for act in acts)
    assert all(isinstance(act, Watch | Skip | Like) for act in acts)
    assert [msgspec.json.decode(feedback.encode(act), type=feedback.Feedback) for act in acts] == acts
