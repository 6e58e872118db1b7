"""How topics are declared."""

from schemas.topics import RESERVED, TOPICS


def test_compacted_topics_that_name_people_are_compacted_within_a_day() -> None:
    personal = [topic for topic in (*TOPICS, *RESERVED) if topic.keyed_by_user and "compact" in topic.cleanup]
    assert [topic.config()["max.compaction.lag.ms"] for topic in personal] == ["86400000"] * 4
