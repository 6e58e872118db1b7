"""Automatic tags and topics."""

import numpy as np
import pytest

from encoders.annotate.tags import (
    MAX_TOPICS,
    MIN_TOPIC_COSINES,
    TOPICS,
    Topics,
    above,
    built_in_topics,
    merged,
)
from encoders.base import TextModelName
from encoders.modalities.text import TextEncoder
from tests.bench.topics import learned, tagged


def topics_of(topics: Topics, text: TextEncoder, title: str | None, model: TextModelName = "minilm") -> list[str]:
    [cosines] = topics.cosines(text.encode([title]))
    return list(above(topics.names, cosines, MIN_TOPIC_COSINES[model], MAX_TOPICS))


@pytest.mark.parametrize(
    ("title", "topic"),
    [
        ("Street food in Osaka: ten stalls", "food"),
        ("The physics of space and time", "science"),
        ("10 minute morning yoga for beginners", "fitness"),
        ("The goal of the season in extra time", "football"),
        ("Kittens discover the garden", "animals"),
        ("Guitar solo, live at the club", "music"),
        ("Driving the new electric sports car", "cars"),
        ("A weekend in Lisbon", "travel"),
    ],
)
def test_a_title_gets_its_topic(text: TextEncoder, title: str, topic: str) -> None:
    assert topic in topics_of(Topics.of(text), text, title)


def test_a_title_that_says_nothing_gets_no_topic(text: TextEncoder) -> None:
    assert [topics_of(Topics.of(text), text, title) for title in (None, "IMG_2041")] == [[], []]


def test_topics_are_those_that_were_given(text: TextEncoder) -> None:
    topics = Topics.of(text, {"boats": "sailing boats and ships"})
    assert topics.names == ("boats",) and len(TOPICS) == len(set(TOPICS))
    assert topics_of(topics, text, "Sailing a small boat around the island") == ["boats"]


def test_the_rule_of_the_default_text_model_stays() -> None:
    assert MIN_TOPIC_COSINES["minilm"] == 0.30
    assert built_in_topics("minilm") is TOPICS


def test_a_topic_lies_between_its_description_and_its_titles_and_none_is_near_to_all() -> None:
    described = np.eye(4, dtype=np.float32)[:3]
    titles = np.array([[1, 0, 0, 1], [1, 0, 0, 3], [0, 1, 0, 2], [0, 0, 1, 2]], np.float32)
    topics = learned(described, titles, np.array([0, 0, 1, 2]))
    assert (topics @ described.T).argmax(axis=1).tolist() == [0, 1, 2]
    assert abs(float(topics.mean(axis=0)[3])) < 0.1  # what all titles have in common


def test_tags_are_counted_as_found_and_as_right() -> None:
    cosines = np.array([[0.9, 0.5, 0.1], [0.2, 0.1, 0.6], [0.3, 0.2, 0.1]], np.float32)
    assert tagged(cosines, np.array([0, 1, 0]), 0.4) == (3, 2 / 3, 1 / 3, 1 / 3)


def test_of_many_shares_only_the_highest_are_kept_ties_by_name() -> None:
    names, shares = list("fedcba"), np.array([0.5, 0.5, 0.5, 0.9, 0.1, 0.5], np.float32)
    assert above(names, shares, 0.2, max_count=3) == {"c": 0.9, "a": 0.5, "d": 0.5}
    assert list(above(names, shares, 0.2, max_count=5)) == ["c", "a", "d", "e", "f"]


def test_found_tags_stand_behind_the_creators_own_and_once() -> None:
    assert merged(["Cats", "sofa"], ["cats", "rock"], ["Rock", "pop"]) == ["Cats", "sofa", "rock", "pop"]
