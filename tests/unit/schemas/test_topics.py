"""How topics are declared."""

from schemas.topics import RESERVED, TOPICS

NAMING_PEOPLE = {"profiles.v1", "event-ids.v1", "recommendations.v1", "erased.v1", "people.v1"}


def test_compacted_topics_that_name_people_are_compacted_within_a_day() -> None:
    personal = [topic for topic in (*TOPICS, *RESERVED) if topic.keyed_by_user and "compact" in topic.cleanup]
    assert {topic.name for topic in personal} == NAMING_PEOPLE
    assert {topic.config()["max.compaction.lag.ms"] for topic in personal} == {"86400000"}
