"""The facts of a video, by which the ranking learns: the same from its upload and from what the encoders made of it."""

import pytest

from ranker.catalogue.catalogue import Catalogue
from ranker.catalogue.entry import facts_of
from schemas.messages.videos import Encoded, Upload
from tests.support.events import NOON


@pytest.mark.parametrize(
    ("given", "tags", "found", "first", "more"),
    [
        (["Cats", "cats", "sofa"], ["Cats", "sofa", "animals"], 1, "cats", ("sofa",)),
        (["cats"], ["cats", "animals", "comedy"], 2, "cats", ()),
        (["a", "b", "c", "d"], ["a", "b", "c", "d"], 0, "a", ("b", "c")),
    ],
)
def test_beside_creators_tags_none_that_models_found_is_a_fact(
    given: list[str], tags: list[str], found: int, first: str, more: tuple[str, ...]
) -> None:
    made = Encoded(video_id="v", at_ms=NOON, tags=tags, found_tags=found)
    facts = facts_of(made)
    assert facts == facts_of(Upload(video_id="v", at_ms=NOON, title="", tags=given))
    assert (facts.tag, facts.more_tags) == (first, more)
    catalogue = Catalogue()
    catalogue.apply([made])
    assert catalogue.facts[0] == facts


def test_of_a_video_without_a_creators_tag_the_first_that_was_found_is_a_fact() -> None:
    facts = facts_of(Encoded(video_id="v", at_ms=NOON, tags=["animals", "comedy"], found_tags=2))
    assert (facts.tag, facts.more_tags) == ("animals", ())
