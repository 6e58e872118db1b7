"""How topics are declared."""

from schemas.topics import MAX_RECORD_BYTES, RESERVED, TOPICS

NAMING_PEOPLE = {"profiles.v1", "event-ids.v1", "recommendations.v1", "erased.v1", "people.v1"}


def test_compacted_topics_that_name_people_are_compacted_within_a_day() -> None:
    personal = [topic for topic in (*TOPICS, *RESERVED) if topic.keyed_by_user and "compact" in topic.cleanup]
    assert {topic.name for topic in personal} == NAMING_PEOPLE
    assert {topic.config()["max.compaction.lag.ms"] for topic in personal} == {"86400000"}


def test_a_compacted_topic_closes_segments_soon_and_the_largest_record_fits_into_one() -> None:
    found = {topic.name: topic.config().get("segment.bytes") for topic in (*TOPICS, *RESERVED)}
    assert {name for name, size in found.items() if size} == {
        topic.name for topic in (*TOPICS, *RESERVED) if "compact" in topic.cleanup
    }
    assert {MAX_RECORD_BYTES < int(size) <= 64 * 1024 * 1024 for size in found.values() if size} == {True}
