"""`freshet contract`: whether what stands on the topics keeps the contract."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.commands import Json, configured, write_json

if TYPE_CHECKING:
    from schemas.settings.model import Settings
    from schemas.topics import Topic
    from streams.contract_facts import Breach, Facts

app = typer.Typer(help="Check the messages on the topics against the contract.", no_args_is_help=True)
SHOWN = 20  # breaches of a topic that are told; all are counted


@app.callback()
def contract() -> None:
    """Check the messages on the topics against the contract."""


@app.command()
@configured
def verify(
    settings: "Settings",
    from_start: Annotated[bool, typer.Option("--from-start", help="Read every topic in whole.")] = False,
    as_json: Json = False,
) -> None:
    """Read every topic from its start to its present end; fail if a message breaks a rule."""
    from streams.trouble import Trouble

    if not from_start:
        raise Trouble("The rules reach from one message to the next.", "Say --from-start to read all.", 2)
    told = list(run(settings))
    breaches = sum(topic["breaches"] for topic in told)
    if as_json:
        write_json({"topics": told, "breaches": breaches})
    else:
        _show(told)
    raise typer.Exit(1 if breaches else 0)


def run(settings: "Settings") -> Iterator[dict[str, Any]]:
    """Check topic after topic: its name, records, breaches and the first of them in words."""
    from streams.contract import RULES, check
    from streams.contract_facts import Facts
    from streams.reading import records

    with _consumer(settings) as consumer:
        counts = {topic: len(consumer.partitions_for_topic(topic.full(settings.prefix)) or ()) for topic in RULES}
        facts = Facts(settings.prefix, settings.late_ms, settings.slate_size, counts)
        for topic in RULES:
            count = Count(records(consumer, topic.full(settings.prefix)))
            yield _told(topic, count, check(topic, count, facts), facts)


class Count:
    """Records, counted as they pass."""

    def __init__(self, records: Iterator[Any]) -> None:
        self.passed = 0
        self._records = records

    def __iter__(self) -> Iterator[Any]:
        for record in self._records:
            self.passed += 1
            yield record


def _consumer(settings: "Settings") -> Any:
    from contextlib import closing

    from kafka import KafkaConsumer

    from schemas.topics import MAX_RECORD_BYTES
    from streams.security import kafka_python_options

    return closing(
        KafkaConsumer(
            **kafka_python_options(settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=MAX_RECORD_BYTES,
        )
    )


def _told(topic: "Topic", count: Count, breaches: "Iterator[Breach]", facts: "Facts") -> dict[str, Any]:
    found, first = 0, []
    for one in breaches:
        found += 1
        if found <= SHOWN:
            first.append(one)
    told: dict[str, Any] = {"topic": facts.full(topic), "records": count.passed, "breaches": found}
    if topic.name.startswith("recommendations"):
        told["repeats"] = facts.repeats
    return told | {"first": [one._asdict() for one in first]}


def _show(told: list[dict[str, Any]]) -> None:
    from streams.contract_facts import Breach

    wide = max(len(topic["topic"]) for topic in told)
    typer.echo(f"{'topic':{wide}}  {'records':>9}  {'breaches':>8}")
    for topic in told:
        note = f"  ({topic['repeats']} came again with their version)" if topic.get("repeats") else ""
        typer.echo(f"{topic['topic']:{wide}}  {topic['records']:>9}  {topic['breaches']:>8}{note}")
    for topic in told:
        for one in topic["first"]:
            typer.echo(str(Breach(**one)))
        if topic["breaches"] > len(topic["first"]):
            typer.echo(f"{topic['topic']}: and {topic['breaches'] - len(topic['first'])} more")
