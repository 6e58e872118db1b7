"""Topics on the broker: what differs, what may be altered, what is refused, and how commands read and publish."""

import pytest
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from schemas.settings.load import load
from schemas.settings.model import Settings
from schemas.topics import DEAD_LETTERS, EXAMPLES, FEATURES, FEEDBACK, MAX_RECORD_BYTES, TOPICS, UPLOADS, Topic
from streams.errors import OperatorError
from streams.kafka import topic_admin
from streams.kafka.command_publisher import command_publisher
from streams.kafka.command_reader import command_reader
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.records import partition_of
from streams.local.broker import LocalBroker
from tests.support.brokers import settings_for
from tests.support.system import everything, publish, wait_until

SETTINGS = load({"partitions": 4, "prefix": "t."}, {}, None).settings


def found(topic: Topic, partitions: int | None = None, replication: int = 1, **config: str) -> topic_admin.TopicState:
    there = {**topic.config(), **{key.replace("_", "."): value for key, value in config.items()}}
    return topic_admin.TopicState(partitions or topic.partition_count(4), replication, there)


def actions(topic: Topic, there: topic_admin.TopicState | None) -> list[tuple[str, str]]:
    return [(difference.field, difference.action) for difference in topic_admin.compare(topic, there, SETTINGS)]


def test_a_topic_as_it_should_be_differs_in_nothing():
    assert [actions(topic, found(topic)) for topic in TOPICS] == [[] for _ in TOPICS]


def test_a_topic_of_one_partition_may_not_get_more_and_no_setting_is_its_remedy():
    (difference,) = topic_admin.compare(EXAMPLES, found(EXAMPLES, partitions=4), SETTINGS)
    assert (difference.field, difference.action) == ("partitions", "refuse")
    assert "set partitions" not in difference.why and "delete it and run `freshet topics apply`" in difference.why


def test_more_partitions_of_dead_letters_keep_nobody_from_starting():
    assert actions(DEAD_LETTERS, found(DEAD_LETTERS, partitions=5)) == []


def test_the_order_of_cleanup_policies_is_no_difference():
    both = Topic("x", "k", "compact,delete", "")
    assert actions(both, found(both, cleanup_policy="delete,compact")) == []


def test_people_may_not_move_to_another_partition():
    (difference,) = topic_admin.compare(FEEDBACK, found(FEEDBACK, partitions=2), SETTINGS)
    assert difference.action == "refuse"
    assert "keys would move" in difference.why
    assert "set partitions to 2" in difference.why


def test_a_compacted_topic_may_not_grow_but_a_plain_one_may():
    assert actions(FEATURES, found(FEATURES, partitions=2)) == [("partitions", "refuse")]
    assert actions(DEAD_LETTERS, found(DEAD_LETTERS, partitions=2)) == [("partitions", "grow")]


def test_nothing_shrinks():
    assert actions(UPLOADS, found(UPLOADS, partitions=8)) == [("partitions", "refuse")]
    assert actions(FEEDBACK, found(FEEDBACK, replication=3)) == [("replication", "refuse")]


@pytest.mark.connected
def test_a_second_apply_does_nothing(broker: LocalBroker):
    settings = settings_for(broker, prefix="twice.", partitions=3)
    with pytest.raises(
        OperatorError, match=rf"twice\.feedback\.v1: topic is missing, .* \(and {len(TOPICS) - 1} more\)"
    ):
        topic_admin.check(settings, TOPICS)
    said: list[str] = []
    assert topic_admin.apply(settings, TOPICS, said.append) == []
    assert len(said) == len(TOPICS)
    again: list[str] = []
    assert topic_admin.apply(settings, TOPICS, again.append) == []
    assert again == []
    assert topic_admin.plan(settings, TOPICS) == []
    topic_admin.check(settings, TOPICS)


@pytest.mark.connected
def test_topics_are_made_as_they_are_declared(broker: LocalBroker):
    settings = settings_for(broker, prefix="made.", partitions=3)
    topic_admin.apply(settings, TOPICS, lambda _: None)
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as client:
        names = [topic.full("made.") for topic in TOPICS]
        made = {topic["name"]: len(topic["partitions"]) for topic in client.describe_topics(names)}
        assert made == {topic.full("made."): topic.partition_count(3) for topic in TOPICS}
        resource = ConfigResource(ConfigResourceType.TOPIC, "made.recommendations.v1")
        config = client.describe_configs([resource])["topic"]["made.recommendations.v1"]
    assert set(config["cleanup.policy"]["value"].split(",")) == {"compact", "delete"}
    assert config["max.message.bytes"]["value"] == "16777216"


@pytest.mark.connected
def test_what_somebody_changed_by_hand_is_found_and_put_right(broker: LocalBroker):
    settings = settings_for(broker, prefix="hand.")
    topic_admin.apply(settings, TOPICS, lambda _: None)
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as client:
        by_hand = {"retention.ms": "1000", "flush.ms": "60000"}
        client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, "hand.feedback.v1", configs=by_hand)])
    # The broker shows a change a moment after it confirmed it.
    wait_until("the change is seen", lambda: bool(topic_admin.plan(settings, TOPICS)))
    (difference,) = topic_admin.plan(settings, TOPICS)
    assert (difference.field, difference.there, difference.action) == ("retention.ms", "1000", "alter")
    assert topic_admin.apply(settings, TOPICS, lambda _: None) == []
    assert topic_admin.plan(settings, TOPICS) == []
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as client:
        resource = ConfigResource(ConfigResourceType.TOPIC, "hand.feedback.v1")
        kept = client.describe_configs([resource])["topic"]["hand.feedback.v1"]
    assert kept["flush.ms"]["value"] == "60000"  # what Freshet does not declare is left alone


@pytest.mark.connected
def test_where_one_topic_is_refused_none_is_changed_and_the_former_settings_go_on(broker: LocalBroker):
    former = settings_for(broker, prefix="grow.", partitions=2)
    topic_admin.apply(former, TOPICS[1:], lambda _: None)
    grown = settings_for(broker, prefix="grow.", partitions=3)
    before = [str(difference) for difference in topic_admin.plan(grown, TOPICS)]
    said: list[str] = []
    refused = topic_admin.apply(grown, TOPICS, said.append)
    assert {difference.topic for difference in refused} >= {"grow.profiles.v1", "grow.features.v1"}
    assert said[-1] == "nothing was changed"
    assert [str(difference) for difference in topic_admin.plan(grown, TOPICS)] == before
    with pytest.raises(OperatorError, match="refused: keys would move"):
        topic_admin.check(grown, TOPICS)
    assert topic_admin.apply(former, TOPICS, lambda _: None) == []
    topic_admin.check(former, TOPICS)


@pytest.mark.connected
def test_partitions_are_added_only_where_that_is_asked_for(broker: LocalBroker):
    growing = [topic for topic in TOPICS if topic in (UPLOADS, DEAD_LETTERS)]
    topic_admin.apply(settings_for(broker, prefix="more.", partitions=2), growing, lambda _: None)
    grown = settings_for(broker, prefix="more.", partitions=3)
    refused = topic_admin.apply(grown, TOPICS, lambda _: None, may_grow=False)
    assert {difference.topic for difference in refused} == {"more.uploads.v1", "more.dead-letters.v1"}
    assert {one.action for one in topic_admin.plan(grown, TOPICS)} == {"create", "grow"}
    assert topic_admin.apply(grown, TOPICS, lambda _: None) == []
    topic_admin.check(grown, TOPICS)


@pytest.mark.connected
def test_the_broker_makes_no_topic_by_itself(broker: LocalBroker):
    from kafka import KafkaProducer
    from kafka.errors import KafkaError

    producer = KafkaProducer(bootstrap_servers=broker.bootstrap, max_block_ms=1500)
    with pytest.raises(KafkaError):
        producer.send("nobody.made.me", b"x").get(2)
    producer.close(timeout=1)
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as client:
        assert "nobody.made.me" not in client.list_topics()


@pytest.mark.connected
def test_a_command_publishes_in_order_and_names_what_the_broker_refuses(settings: Settings) -> None:
    topic = FEEDBACK.full(settings.prefix)
    records = [Outgoing(b"ana", str(number).encode(), [("n", b"1")]) for number in range(3)]
    with command_publisher(settings, limit_s=10, remedy="Do that.") as publisher:
        offsets = publisher.publish(topic, records)
        with pytest.raises(OperatorError, match=rf"{topic}: a record was not confirmed: .* Do that\."):
            publisher.publish(topic, [Outgoing(b"ana", bytes(MAX_RECORD_BYTES + 1))])
        with pytest.raises(OperatorError, match=r"There is no topic nobody\.made\.me"):
            publisher.publish("nobody.made.me", records)
    found = everything(settings, FEEDBACK)
    assert [(one.offset, one.value) for one in found] == list(zip(offsets, (b"0", b"1", b"2"), strict=True))
    assert {one.partition for one in found} == {partition_of(b"ana", settings.partitions)}


@pytest.mark.connected
def test_what_is_written_after_a_command_began_is_followed_and_not_read(settings: Settings) -> None:
    topic, partition = FEEDBACK.full(settings.prefix), partition_of(b"ana", settings.partitions)
    publish(settings, FEEDBACK, [("ana", b"before")])
    with command_reader(settings, {"group.id": f"{settings.prefix}reader"}) as reader:
        reader.follow({topic: partition})
        records = reader.records(topic)
        assert next(records).value == b"before"
        publish(settings, FEEDBACK, [("ana", b"after")])
        assert list(records) == []
        followed: list[bytes | None] = []
        wait_until(
            "it is followed", lambda: bool(followed.extend(one.value for one in reader.new_records(0.2)) or followed)
        )
        assert followed == [b"after"]
        assert reader.committed(topic, partition) is None
        reader.commit(topic, {partition: 1})
        assert reader.committed(topic, partition) == 1
        assert [one.value for one in reader.records(topic, {partition: 1})] == [b"after"]
