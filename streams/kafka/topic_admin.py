"""Declared topics on the broker: what is missing or different, and bringing it in line.

Nothing is ever deleted or shrunk, nothing is changed where anything has to be refused, and no topic is left to the
broker's automatic creation: it would get the broker's partition count, and agents whose topics differ in it look for a
key in the wrong place.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import (
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    NodeNotReadyError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from schemas.settings.model import Settings
from schemas.topics import Topic
from streams.errors import OperatorError
from streams.kafka.probe import Report, wait_for_authenticated_broker
from streams.kafka.security import kafka_python_options

Action = Literal["create", "alter", "grow", "refuse"]
Config = Mapping[str, str]
VISIBLE_S = 10.0  # until a change has to show; a guess: tens of milliseconds were seen
POLL_INTERVAL_S = 0.05
RETRY_DELAY_S = 0.5
UNKNOWN_TOPIC_OR_PARTITION = 3


class ConnectionLost(OperatorError):
    """The broker had answered, and then went."""


@dataclass(frozen=True)
class Difference:
    """One way in which the broker differs from what is declared, and what `apply` does about it."""

    topic: str  # full name
    field: str  # "topic", "partitions", "replication" or a key of the topic's configuration
    there: str
    wanted: str
    action: Action
    why: str = ""  # of a refusal

    def __str__(self) -> str:
        consequence = f"; {self.why}" if self.why else f" ({self.action})"
        return f"{self.topic}: {self.field} is {self.there}, wanted {self.wanted}{consequence}"


@dataclass(frozen=True)
class TopicState:
    """A topic as the broker has it."""

    partitions: int
    replication: int
    config: Config


def plan(settings: Settings, topics: Sequence[Topic], report: Report = lambda _: None) -> list[Difference]:
    """List what differs, in the order of the topics; changes nothing."""
    end_s = time.monotonic() + settings.broker_wait_s
    while True:
        try:
            with connected(settings, report) as admin:
                return _differences(admin, settings, topics)
        except ConnectionLost as lost:
            if time.monotonic() >= end_s:
                raise
            report(f"{lost.cause} It is asked again.")
            time.sleep(RETRY_DELAY_S)


def check(settings: Settings, topics: Sequence[Topic]) -> None:
    """Raise OperatorError where the topics on the broker differ from what is declared."""
    if differences := plan(settings, topics):
        first = next((one for one in differences if one.action == "refuse"), differences[0])
        more = f" (and {len(differences) - 1} more)" if len(differences) > 1 else ""
        can = "the refused ones need other settings" if first.action == "refuse" else "`freshet topics apply` does it"
        cause = f"The topics at {settings.bootstrap} differ: {first}{more}."
        raise OperatorError(cause, f"`freshet topics plan` lists all; {can}.")


def apply(settings: Settings, topics: Sequence[Topic], report: Report, *, may_grow: bool = True) -> list[Difference]:
    """Create what is missing and alter what differs, all or nothing; returns what was refused.

    All topics are looked at first: where something is refused, nothing is changed. A second run does nothing.

    may_grow  whether partitions are added; no one can take them away
    """
    with connected(settings, report) as admin:
        differences = _differences(admin, settings, topics)
        refused = [d for d in differences if d.action == "refuse" or (d.action == "grow" and not may_grow)]
        for difference in refused or differences:
            report(str(difference))
        if refused:
            report("nothing was changed")
            return refused
        _create(admin, settings, topics, [d for d in differences if d.action == "create"])
        _grow(admin, [d for d in differences if d.action == "grow"])
        _alter(admin, [d for d in differences if d.action == "alter"])
        _wait_until_visible(admin, settings, topics)
    return []


@contextmanager
def connected(settings: Settings, report: Report = lambda _: None) -> Iterator[KafkaAdminClient]:
    """An admin client; an error that Kafka answers with becomes OperatorError, one of the connection ConnectionLost."""
    wait_for_authenticated_broker(settings, report)
    try:
        with KafkaAdminClient(**kafka_python_options(settings)) as admin:
            yield admin
    except (KafkaConnectionError, NodeNotReadyError) as error:
        cause = f"The connection to Kafka at {settings.bootstrap} was lost: {_in_short(error)}."
        raise ConnectionLost(cause, "Try again; the broker's log may say more.") from error
    except KafkaError as error:
        cause = f"Kafka at {settings.bootstrap} refused: {_in_short(error)}."
        raise OperatorError(cause, "Check the rights and the broker's log.") from error


def _lacks(right: str, topic: str) -> OperatorError:
    cause = f"Kafka does not give us the right {right} on topic {topic}."
    return OperatorError(cause, "docs/security.md lists the rights that each part needs.")


def _in_short(error: KafkaError) -> str:
    return " ".join(str(error).split())[:300]


def topic_configs(settings: Settings) -> dict[str, Config]:
    """Configuration of every topic whose name begins with the settings' prefix, as the broker has it, by name."""
    with connected(settings) as admin:
        return _configs(admin, [name for name in admin.list_topics() if name.startswith(settings.prefix)])


def is_group_assigned(admin: KafkaAdminClient, group: str) -> bool:
    """Whether a consumer group has members, and each its partitions."""
    try:
        described = admin.describe_groups([group])[group]
    except KafkaError:  # not there yet, or its coordinator is not
        return False
    return bool(described.get("group_state") == "Stable" and described.get("members"))


def has_members(admin: KafkaAdminClient, group: str) -> bool:
    """Whether somebody is in a consumer group, also while it assigns partitions; KafkaError where that is not told."""
    try:
        return bool(admin.describe_groups([group])[group].get("members"))
    except GroupAuthorizationFailedError:
        raise
    except KafkaError:  # there is no such group yet, or nobody who coordinates it
        return False


def compare(topic: Topic, found: TopicState | None, settings: Settings) -> Iterator[Difference]:
    """Differences of one topic."""
    name = topic.full(settings.prefix)
    if found is None:
        count = topic.partition_count(settings.partitions)
        wanted = f"{count} partition{'s' * (count > 1)} with cleanup.policy={topic.cleanup}"
        yield Difference(name, "topic", "missing", wanted, "create")
        return
    expected = topic.partition_count(settings.partitions)
    is_grown_freely = topic.may_be_grown and found.partitions > expected
    if found.partitions != expected and not is_grown_freely:
        why = _why_not_grow(topic, found.partitions, expected)
        action: Action = "refuse" if why else "grow"
        yield Difference(name, "partitions", str(found.partitions), str(expected), action, why)
    if found.replication != settings.replication:
        why = "refused: move copies with kafka-reassign-partitions, or set replication to what is there"
        there, wanted = str(found.replication), str(settings.replication)
        yield Difference(name, "replication", there, wanted, "refuse", why)
    for key, wanted in sorted(topic.config().items()):
        there = found.config.get(key, "unset")
        if sorted(there.split(",")) != sorted(wanted.split(",")):
            yield Difference(name, key, there, wanted, "alter")


def _why_not_grow(topic: Topic, there: int, wanted: int) -> str:
    remedy = f"set partitions to {there}, or use a new prefix"
    if topic.partitions is not None:
        apply = "delete it and run `freshet topics apply`, which makes it empty, or use a new prefix"
        return f"refused: it has {wanted} whatever is set, and what is beyond that would not be read; {apply}"
    if wanted < there:
        return f"refused: Kafka takes no partition away; {remedy}"
    if topic.keyed_by_user:
        return f"refused: keys would move to other partitions, away from their state and their order; {remedy}"
    if "compact" in topic.cleanup:
        return f"refused: keys would move to other partitions, and old values would stay beside the new; {remedy}"
    return ""


def _differences(admin: KafkaAdminClient, settings: Settings, topics: Sequence[Topic]) -> list[Difference]:
    names = [topic.full(settings.prefix) for topic in topics]
    found = _find(admin, names)
    return [
        difference
        for topic, name in zip(topics, names, strict=True)
        for difference in compare(topic, found.get(name), settings)
    ]


def _find(admin: KafkaAdminClient, names: Sequence[str]) -> dict[str, TopicState]:
    described = admin.describe_topics(list(names))
    there = [topic for topic in described if topic["error_code"] != UNKNOWN_TOPIC_OR_PARTITION]
    for topic in there:
        if topic["error_code"] == TopicAuthorizationFailedError.errno:
            raise _lacks("Describe", topic["name"])
        _raise_for(topic["error_code"], topic["name"])
    configs = _configs(admin, [topic["name"] for topic in there])
    return {topic["name"]: _state(topic["partitions"], configs[topic["name"]]) for topic in there}


def _configs(admin: KafkaAdminClient, names: Sequence[str]) -> dict[str, Config]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    found = admin.describe_configs(resources, config_filter="all")["topic"] if resources else {}
    for name, config in found.items():
        if not config:  # every topic has some: this is how a refusal comes
            raise _lacks("DescribeConfigs", name)
    return {
        name: {key: str(e["value"]) for key, e in of.items() if e["value"] is not None} for name, of in found.items()
    }


def _state(partitions: Sequence[Mapping[str, Sequence[int]]], config: Config) -> TopicState:
    return TopicState(len(partitions), min(len(partition["replica_nodes"]) for partition in partitions), config)


def _create(
    admin: KafkaAdminClient, settings: Settings, topics: Sequence[Topic], missing: Sequence[Difference]
) -> None:
    if not missing:
        return
    by_name = {topic.full(settings.prefix): topic for topic in topics}
    wanted = {
        difference.topic: {
            "num_partitions": by_name[difference.topic].partition_count(settings.partitions),
            "replication_factor": settings.replication,
            "configs": by_name[difference.topic].config(),
        }
        for difference in missing
    }
    for made in admin.create_topics(wanted, raise_errors=False)["topics"]:
        if made["error_code"] != TopicAlreadyExistsError.errno:  # another `apply` may run at the same time
            _raise_for(made["error_code"], made["name"], made.get("error_message"))
    admin.wait_for_topics(list(wanted))


def _grow(admin: KafkaAdminClient, differences: Sequence[Difference]) -> None:
    if differences:
        admin.create_partitions({difference.topic: int(difference.wanted) for difference in differences})


def _alter(admin: KafkaAdminClient, differences: Sequence[Difference]) -> None:
    wanted: dict[str, dict[str, str]] = {}
    for difference in differences:
        wanted.setdefault(difference.topic, {})[difference.field] = difference.wanted
    if not wanted:
        return
    kind = ConfigResourceType.TOPIC
    resources = [ConfigResource(kind, name, configs=config) for name, config in wanted.items()]
    for name, result in admin.alter_configs(resources)["topic"].items():
        if result != "OK":
            raise KafkaError(f"{name}: {result}")


def _wait_until_visible(admin: KafkaAdminClient, settings: Settings, topics: Sequence[Topic]) -> None:
    """Wait until the broker shows what its controller has confirmed: the two are not the same moment."""
    end = time.monotonic() + VISIBLE_S
    while left := [str(d) for d in _differences(admin, settings, topics) if d.action != "refuse"]:
        if time.monotonic() > end:
            raise OperatorError(f"After {VISIBLE_S:g} s the broker still shows: {left[0]}.", "Apply again.")
        time.sleep(POLL_INTERVAL_S)


def _raise_for(code: int, topic: str, message: str | None = None) -> None:
    if code:
        raise for_code(code)(f"{topic}: {message or for_code(code).__name__}")
