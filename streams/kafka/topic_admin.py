"""Freshet's topics on the broker: what is missing or different, and bringing it in line.

Nothing is ever deleted or shrunk, and no topic is left to the broker's automatic creation: it would get the
broker's partition count, and agents whose topics differ in it do not find each other's people.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from schemas.settings.model import Settings
from schemas.topics import TOPICS, Topic
from streams.errors import OperatorError
from streams.kafka.security import kafka_python_options, wait_for_authenticated_broker

__all__ = ["Difference", "apply", "check", "connected", "plan", "wait_for_authenticated_broker"]

Action = Literal["create", "alter", "grow", "refuse"]
SETTLE_S = 10.0  # a guess: tens of milliseconds were seen
LOOK_S = 0.05
NO_TOPIC = 3  # UNKNOWN_TOPIC_OR_PARTITION


@dataclass(frozen=True)
class Difference:
    """One way in which the broker is not as it should be, and what `apply` does about it."""

    topic: str  # full name
    field: str  # "topic", "partitions", "replication" or a key of the topic's configuration
    there: str
    wanted: str
    action: Action
    why: str = ""  # of a refusal

    def __str__(self) -> str:
        answer = f"; {self.why}" if self.why else f" ({self.action})"
        return f"{self.topic}: {self.field} is {self.there}, wanted {self.wanted}{answer}"


@dataclass(frozen=True)
class TopicState:
    """A topic as the broker has it."""

    partitions: int
    replication: int
    config: Mapping[str, str]


def plan(settings: Settings) -> list[Difference]:
    """List what differs, in the order of `schemas.topics`; changes nothing."""
    with connected(settings) as admin:
        return _differences(admin, settings)


def check(settings: Settings) -> None:
    """Raise OperatorError where the topics are not as they should be."""
    if differences := plan(settings):
        more = f" (and {len(differences) - 1} more)" if len(differences) > 1 else ""
        raise OperatorError(
            f"The topics at {settings.bootstrap} differ: {differences[0]}{more}.",
            "`freshet topics plan` lists all, `freshet topics apply` creates and alters.",
        )


def apply(settings: Settings, report: Callable[[str], None]) -> list[Difference]:
    """Create what is missing and alter what differs; returns what was refused. A second run does nothing."""
    with connected(settings) as admin:
        differences = _differences(admin, settings)
        _create(admin, settings, [d for d in differences if d.action == "create"])
        _grow(admin, [d for d in differences if d.action == "grow"])
        _alter(admin, [d for d in differences if d.action == "alter"])
        for difference in differences:
            report(str(difference))
        _reindex(admin, settings)
    return [difference for difference in differences if difference.action == "refuse"]


@contextmanager
def connected(settings: Settings, report: Callable[[str], None] = lambda _: None) -> Iterator[KafkaAdminClient]:
    """An admin client; what Kafka answers with an error becomes OperatorError."""
    wait_for_authenticated_broker(settings, report)
    try:
        with KafkaAdminClient(**kafka_python_options(settings)) as admin:
            yield admin
    except KafkaError as error:
        said = " ".join(str(error).split())[:300]
        cause = f"Kafka at {settings.bootstrap} refused: {said}."
        raise OperatorError(cause, "Check the rights and the broker's log.") from error


def compare(topic: Topic, found: TopicState | None, settings: Settings) -> Iterator[Difference]:
    """Differences of one topic."""
    name = topic.full(settings.prefix)
    if found is None:
        wanted = f"{settings.partitions} partitions, {topic.cleanup}"
        yield Difference(name, "topic", "missing", wanted, "create")
        return
    if found.partitions != settings.partitions:
        why = _why_not_grow(topic, found.partitions, settings.partitions)
        action: Action = "refuse" if why else "grow"
        yield Difference(name, "partitions", str(found.partitions), str(settings.partitions), action, why)
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
    if wanted < there:
        return f"refused: Kafka takes no partition away; {remedy}"
    if topic.keyed_by_user:
        return f"refused: keys would move, and people with them, away from their profile and order; {remedy}"
    if "compact" in topic.cleanup:
        return f"refused: keys would move, and old values would stay beside the new; {remedy}"
    return ""


def _differences(admin: KafkaAdminClient, settings: Settings) -> list[Difference]:
    names = [topic.full(settings.prefix) for topic in TOPICS]
    found = _find(admin, names)
    return [
        difference
        for topic, name in zip(TOPICS, names, strict=True)
        for difference in compare(topic, found.get(name), settings)
    ]


def _find(admin: KafkaAdminClient, names: Sequence[str]) -> dict[str, TopicState]:
    described = [topic for topic in admin.describe_topics(list(names)) if topic["error_code"] != NO_TOPIC]
    for topic in described:
        _raise_for(topic["error_code"], topic["name"])
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic["name"]) for topic in described]
    configs = admin.describe_configs(resources, config_filter="all")["topic"] if resources else {}
    return {topic["name"]: _found(topic, configs[topic["name"]]) for topic in described}


def _found(topic: Mapping[str, Any], config: Mapping[str, Mapping[str, Any]]) -> TopicState:
    partitions = topic["partitions"]
    values = {key: str(entry["value"]) for key, entry in config.items() if entry["value"] is not None}
    return TopicState(len(partitions), min(len(partition["replica_nodes"]) for partition in partitions), values)


def _create(admin: KafkaAdminClient, settings: Settings, missing: Sequence[Difference]) -> None:
    if not missing:
        return
    topics = {topic.full(settings.prefix): topic for topic in TOPICS}
    wanted = {
        difference.topic: {
            "num_partitions": settings.partitions,
            "replication_factor": settings.replication,
            "configs": topics[difference.topic].config(),
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


def _reindex(admin: KafkaAdminClient, settings: Settings) -> None:
    """Wait until the broker shows what its controller has confirmed: the two are not the same moment."""
    end = time.monotonic() + SETTLE_S
    while left := [str(d) for d in _differences(admin, settings) if d.action != "refuse"]:
        if time.monotonic() > end:
            raise OperatorError(f"After {SETTLE_S:g} s the broker still shows: {left[0]}.", "Apply again.")
        time.sleep(LOOK_S)


def _raise_for(code: int, topic: str, said: str | None = None) -> None:
    if code:
        raise for_code(code)(f"{topic}: {said or for_code(code).__name__}")
