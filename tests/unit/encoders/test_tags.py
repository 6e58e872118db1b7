"""Automatic tags and topics."""

import numpy as np
import pytest

from encoders.annotate.tags import TOPICS, Topics, above, merged
from encoders.modalities.text import TextEncoder


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
    [found] = Topics.of(text)(text.encode([title]))
    assert topic in found


def test_a_title_that_says_nothing_gets_no_topic(text: TextEncoder) -> None:
    nothing, number = Topics.of(text)(text.encode([None, "IMG_2041"]))
    assert nothing == {} and number == {}


def test_topics_are_those_that_were_given(text: TextEncoder) -> None:
    topics = Topics.of(text, {"boats": "sailing boats and ships"})
    assert topics.names == ("boats",) and len(TOPICS) == len(set(TOPICS))
    assert list(topics(text.encode(["Sailing a small boat around the island"]))[0]) == ["boats"]


def test_of_many_shares_only_the_highest_are_kept_ties_by_name() -> None:
    names, shares = list("fedcba"), np.array([0.5, 0.5, 0.5, 0.9, 0.1, 0.5], np.float32)
    assert above(names, shares, 0.2, max_count=3) == {"c": 0.9, "a": 0.5, "d": 0.5}
    assert list(above(names, shares, 0.2, max_count=5)) == ["c", "a", "d", "e", "f"]


def test_found_tags_stand_behind_the_creators_own_and_once() -> None:
    assert merged(["Cats", "sofa"], ["cats", "rock"], ["Rock", "pop"]) == ["Cats", "sofa", "rock", "pop"]
