"""The law of streams/kafka: it alone opens Kafka clients, one way each, and it knows nothing of what records mean."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT

CLIENTS = {"aiokafka", "confluent_kafka", "kafka"}
AS_USERS_DO = {"streams/demo/clients.py", "streams/logs/send.py", "streams/logs/tail.py"}  # by kafka-python
OPENED_IN = {  # the clients' classes, and the only modules that make one
    "Consumer": {
        "streams/kafka/consumer.py",
        "streams/kafka/reader.py",
        "streams/kafka/stalled.py",
    },  # agents; all who read
    "Producer": {  # of agents; of commands; of requests
        "streams/kafka/producer.py",
        "streams/kafka/command_publisher.py",
        "streams/kafka/request_producer.py",
    },
    "AdminClient": {  # for questions that no consumer asks
        "streams/kafka/log_ends.py",
        "streams/kafka/lost_broker.py",
        "streams/kafka/probe.py",
        "streams/kafka/rights.py",
        "streams/kafka/topic_watch.py",
    },
    "KafkaAdminClient": {"streams/kafka/topic_admin.py"},
    "KafkaConsumer": {"streams/demo/clients.py", "streams/kafka/batch_head.py", "streams/logs/tail.py"},
    "KafkaProducer": {"streams/demo/clients.py", "streams/logs/send.py"},
}
OURS = {"schemas", "encoders", "ranker", "streams"}
KNOWN_TO_KAFKA = ("schemas.settings.", "streams.kafka.", "streams.errors.")
KNOWN_OF_TOPICS = {"schemas.topics.MAX_RECORD_BYTES", "schemas.topics.Topic"}
MEANING = re.compile(
    r"\b(videos?|slates?|profiles?|people|persons?|feedback|uploads?|erasures?|recommend\w*|catalogues?|trends?)\b",
    re.I,
)


def modules(folder: str) -> dict[str, str]:
    """Source of every module below a folder, by its path."""
    return {
        path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in sorted((ROOT / folder).rglob("*.py"))
    }


def imported(source: str) -> Iterator[str]:
    """Full names of what a module imports, wherever it does."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def made(source: str) -> Iterator[str]:
    """Names of the client classes of which a module makes instances."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            if name in OPENED_IN:
                yield name


def strangers(source: str) -> list[str]:
    """What a module of streams/kafka imports of ours and should not know."""
    ours = (name for name in imported(source) if name.split(".")[0] in OURS)
    return [name for name in ours if not name.startswith(KNOWN_TO_KAFKA) and name not in KNOWN_OF_TOPICS]


def test_no_module_outside_the_kafka_folder_imports_a_client() -> None:
    found = {
        path
        for package in OURS
        for path, source in modules(package).items()
        if not path.startswith("streams/kafka/") and CLIENTS & {name.split(".")[0] for name in imported(source)}
    }
    assert found == AS_USERS_DO


def test_there_is_one_reader_one_producer_and_one_probe() -> None:
    found: dict[str, set[str]] = defaultdict(set)
    for path, source in modules("streams").items():
        for name in made(source):
            found[name].add(path)
    assert found == OPENED_IN


def test_the_kafka_folder_imports_nothing_of_what_records_mean() -> None:
    assert {path: found for path, source in modules("streams/kafka").items() if (found := strangers(source))} == {}


def test_the_kafka_folder_does_not_speak_of_what_records_mean() -> None:
    found = {path: sorted(set(MEANING.findall(source))) for path, source in modules("streams/kafka").items()}
    assert {path: words for path, words in found.items() if words} == {}


@pytest.mark.parametrize(
    "source",
    [
        "from schemas.topics import FEEDBACK",
        "from schemas.messages import videos",
        "def late():\n    from ranker.profile.model import Profile",
        "from streams.dead_letters import validation",
        "import streams.cli",
    ],
)
def test_a_wrong_import_is_found(source: str) -> None:
    assert strangers(source)


def test_a_client_is_found_wherever_it_is_made() -> None:
    assert list(made("import confluent_kafka as kafka\nx = kafka.Consumer({})")) == ["Consumer"]
    assert list(made("def f():\n    return KafkaProducer()")) == ["KafkaProducer"]
    assert list(made("x: Consumer = reader")) == []


def test_nothing_of_the_logic_imports_the_command_line() -> None:
    importers = {
        path
        for path, source in modules("streams").items()
        if not path.startswith("streams/cli/") and any(within(name, "streams.cli") for name in imported(source))
    }
    assert importers == set()


def within(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")


def test_every_module_named_here_exists() -> None:
    named = AS_USERS_DO.union(*OPENED_IN.values())
    assert [path for path in sorted(named) if not Path(ROOT, path).is_file()] == []
