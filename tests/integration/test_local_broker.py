"""The local Kafka: it starts, survives a crash with its data, and says in a sentence why it does not start."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient

from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.kafka.probe import is_broker_ready, wait_for_authenticated_broker
from streams.local.broker import HOST, LocalBroker, free_port, local_broker, refuse_taken_port, server_properties
from streams.local.jars import kafka_jars
from streams.local.storage import FEATURES, IDS, format_as_before, keep_features
from tests.support.brokers import CACHE, broker_in, java_that, linked_jars, needs_java_and_maven
from tests.support.paths import ROOT
from tests.support.system import LIMIT_S, wait_until

RECORDS = [f"record {n}".encode() for n in range(100)]
PLACE = TopicPartition("kept", 0)


def write(broker: LocalBroker) -> None:
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as admin:
        admin.create_topics({"kept": {"num_partitions": 1}}, wait_for_metadata=True)
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap, max_request_size=16 * 1024 * 1024)
    for sent in [producer.send("kept", record) for record in RECORDS]:
        sent.get(LIMIT_S)
    producer.close()


def read(broker: LocalBroker) -> list[bytes]:
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap, consumer_timeout_ms=int(1000 * LIMIT_S))
    consumer.assign([PLACE])
    consumer.seek_to_beginning(PLACE)
    values = [record.value for _, record in zip(RECORDS, consumer, strict=False)]  # does not wait for one more
    consumer.close()
    return values


def test_it_listens_on_loopback_only(tmp_path: Path):
    properties = server_properties(tmp_path, 9092, 9093)
    assert properties["listeners"] == "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"
    assert properties["auto.create.topics.enable"] == "false"


def test_a_taken_port_is_told_in_one_sentence(tmp_path: Path):
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OperatorError, match=f"Port {port} on 127.0.0.1 cannot be used: Address already in use"):
            refuse_taken_port(port)
        (tmp_path / f"broker-{port}").mkdir()
        kept = tmp_path / f"broker-{port}" / "server.properties"
        kept.write_text("")
        with pytest.raises(OperatorError), local_broker(tmp_path, tmp_path, port, reset=True):
            pass
        assert kept.exists()  # a running broker's folder is not emptied


@pytest.mark.connected
@pytest.mark.parametrize("locale", ["C", "tr_TR.UTF-8"])
def test_a_data_folder_that_is_not_ascii_is_used_in_any_locale(tmp_path: Path, locale: str):
    needs_java_and_maven()
    folder, port = tmp_path / "daten für 日本 100%", free_port()
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG"))}
    environ |= {
        "FRESHET_CACHE_DIR": str(CACHE.settings.cache_dir),
        "LC_ALL": locale,
        "LANG": locale,
        "TZ": "Asia/Tokyo",
    }
    command = [sys.executable, "-m", "streams.cli", "broker", "--port", str(port), "--data-dir", str(folder), "--json"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    heard = partial(signal.signal, signal.SIGHUP, signal.SIG_DFL)  # also where these tests run under nohup
    with subprocess.Popen(command, cwd=ROOT, env=environ, preexec_fn=heard, **pipes) as running:
        assert running.stdout and running.stderr
        assert running.stdout.readline(), running.stderr.read().decode()
        write(LocalBroker(folder, tmp_path, port))
        assert read(LocalBroker(folder, tmp_path, port)) == RECORDS
        running.send_signal(signal.SIGHUP)  # the terminal was closed
        assert running.wait(LIMIT_S) == 0
    assert (folder / f"broker-{port}" / "log" / "kept-0").is_dir()
    assert (folder / f"broker-{port}" / "broker.log").exists()
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


@pytest.mark.connected
@pytest.mark.skipif(sys.platform != "linux", reason="a process's threads are named in /proc")
def test_a_broker_optimises_its_code_where_it_lasts(broker: LocalBroker, tmp_path: Path):
    with local_broker(tmp_path, CACHE.settings.cache_dir, lasts=True) as lasting:
        assert {"C1 CompilerThre", "C2 CompilerThre"} <= threads(lasting)
    assert "C1 CompilerThre" in threads(broker) and "C2 CompilerThre" not in threads(broker)


def threads(broker: LocalBroker) -> set[str]:
    """Names of the process's threads, without their numbers."""
    assert broker.process
    tasks = Path(f"/proc/{broker.process.pid}/task").iterdir()
    return {(task / "comm").read_text().rstrip("\n #0123456789") for task in tasks}


def test_a_broker_that_does_not_start_names_no_remedy_that_deletes_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "broker"
    (folder / "log").mkdir(parents=True)
    (folder / "log" / "meta.properties").write_text("")
    (folder / "console.log").write_text("java.lang.UnsupportedClassVersionError: of an earlier start\n")
    jars = java_that(tmp_path, "echo 'java.nio.file.InvalidPathException: of this one'; exit 1", monkeypatch)
    with pytest.raises(OperatorError, match="InvalidPathException: of this one") as caught:
        LocalBroker(folder, jars, free_port()).start()
    assert "reset" not in str(caught.value) and "UnsupportedClassVersion" not in str(caught.value)
    java_that(tmp_path, "echo 'java.lang.UnsupportedClassVersionError: this time'; exit 1", monkeypatch)
    with pytest.raises(OperatorError, match="needs Java 17 or newer"):
        LocalBroker(folder, jars, free_port()).start()
    bind = "Socket server failed to bind to 127.0.0.1:9092: Address already in use."
    java_that(tmp_path, f"echo 'KafkaException: {bind}'; echo 'BindException: it is'; exit 1", monkeypatch)
    with pytest.raises(OperatorError, match="the port meanwhile"):
        LocalBroker(folder, jars, free_port()).start()


@pytest.mark.parametrize("name", ["a,b", "a${b}"])
def test_a_folder_that_kafka_would_divide_is_refused_before_anything_is_written(tmp_path: Path, name: str):
    with pytest.raises(OperatorError, match="Name another --data-dir"):
        LocalBroker(tmp_path / name, tmp_path, free_port()).start()
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize(("missing", "package"), [("java", "openjdk-17-jre-headless"), ("mvn", "maven")])
def test_a_missing_program_is_told_with_the_package_that_brings_it(
    missing: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for program in {"java", "mvn"} - {missing}:
        (tmp_path / program).write_text("#!/bin/sh\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OperatorError) as caught, local_broker(tmp_path, tmp_path / "cache"):
        pass
    assert f"needs `{missing}`" in caught.value.cause
    assert f"apt-get install {package}" in caught.value.remedy
    assert "docker compose up -d kafka" in caught.value.remedy


def test_what_maven_says_is_passed_on_and_nothing_half_made_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "mvn").write_text("#!/bin/sh\necho '[ERROR] no such artifact'\nexit 1\n")
    (tmp_path / "mvn").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(OperatorError, match="no such artifact"):
        kafka_jars(tmp_path / "cache", lambda _: None)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_wait_that_is_over_at_once_ends_with_a_sentence():
    said: list[str] = []
    address = f"{HOST}:{free_port()}"
    with pytest.raises(OperatorError, match=f"No Kafka broker answered at {address} within 0.3 s"):
        wait_for_authenticated_broker(Settings(bootstrap=address, broker_wait_s=0.3), said.append)
    assert said == []  # a moment needs no word


def test_something_that_listens_but_is_no_broker_does_not_answer():
    with socket.create_server((HOST, 0)) as silent:
        assert not is_broker_ready(HOST, silent.getsockname()[1], limit_s=0.2)


@pytest.mark.connected
def test_a_crash_loses_nothing_and_reset_empties(tmp_path: Path):
    with broker_in(tmp_path) as broker:
        port = broker.port
        write(broker)
        broker.kill()
        assert not is_broker_ready(HOST, port)
        broker.start()
        assert read(broker) == RECORDS
    with broker_in(tmp_path, port) as broker:
        assert read(broker) == RECORDS
    with broker_in(tmp_path, port, reset=True) as broker, KafkaAdminClient(bootstrap_servers=broker.bootstrap) as admin:
        assert "kept" not in admin.list_topics()


@pytest.mark.connected
def test_kafka_is_asked_once_with_what_its_folders_begin_and_each_has_ids_of_its_own(tmp_path: Path):
    jars = linked_jars(tmp_path)
    first, second = (LocalBroker(tmp_path / name, jars, free_port()) for name in ("first", "second"))
    for broker in (first, second):
        try:
            broker.start()
            write(broker)
            assert read(broker) == RECORDS
        finally:
            broker.kill()
    features, *others = ((broker.folder / "log" / FEATURES).read_bytes() for broker in (first, second))
    assert others == [features] == [(jars / FEATURES).read_bytes()]  # it has the time at which it was made
    ids = [ids_of(broker.folder / "log") for broker in (first, second)]
    assert ids[0].keys() == ids[1].keys()
    assert {name for name in ids[0] if ids[0][name] == ids[1][name]} == {"version", "node.id"}


def ids_of(log: Path) -> dict[str, str]:
    lines = (log / IDS).read_text().splitlines()
    return dict(line.split("=") for line in lines if not line.startswith("#"))


def test_where_features_cannot_be_kept_kafka_is_asked_again(tmp_path: Path):
    keep_features(tmp_path / "nothing", tmp_path)
    assert not format_as_before(tmp_path / "log", tmp_path, "1")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.connected
def test_one_that_was_killed_is_reported_once_and_started_again_with_its_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    said: list[str] = []
    with broker_in(tmp_path) as broker:
        write(broker)
        assert broker.process
        broker.process.kill()
        broker.process.wait()
        monkeypatch.setattr("streams.local.broker.SHORT_LIFE_S", 0.0)
        for _ in range(3):
            broker.start_again_if_ended(said.append)
        ended = f"Kafka at {broker.bootstrap} ended by SIGKILL; it is started again with its data"
        assert [line for line in said if "ended" in line] == [ended]
        assert read(broker) == RECORDS
        broker.process.kill()
        broker.process.wait()
        monkeypatch.setattr("streams.local.broker.SHORT_LIFE_S", 3600.0)
        with pytest.raises(OperatorError, match="ended by SIGKILL again"):
            broker.start_again_if_ended(said.append)


@pytest.mark.connected
def test_a_record_of_sixteen_megabytes_passes_less_its_envelope(broker: LocalBroker):
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as admin:
        admin.create_topics({"big": {"num_partitions": 1}}, wait_for_metadata=True)
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap, max_request_size=16 * 1024 * 1024)
    size = 16 * 1024 * 1024 - 1024
    assert producer.send("big", bytes(size)).get(LIMIT_S).serialized_value_size == size
    producer.close()


@pytest.mark.connected
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_the_broker_ends_with_a_parent_that_was_killed(tmp_path: Path):
    script = """
        import sys, time
        from pathlib import Path
        from tests.support.brokers import broker_in
        with broker_in(Path(sys.argv[1])) as broker:
            print(broker.port, flush=True)
            time.sleep(3600)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as parent:
        assert parent.stdout
        port = int(parent.stdout.readline())
        wait_until("it answers", lambda: is_broker_ready(HOST, port))
        parent.send_signal(signal.SIGKILL)
    wait_until("the broker is gone", lambda: not is_broker_ready(HOST, port))


@pytest.mark.connected
@pytest.mark.slow
def test_two_that_fetch_the_jars_at_once_both_get_all_of_them(tmp_path: Path):
    needs_java_and_maven()
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: kafka_jars(tmp_path / "cache", lambda _: None), range(2))
    assert first == second
    complete = {jar.name for jar in kafka_jars(CACHE.settings.cache_dir, lambda _: None).glob("*.jar")}
    assert {jar.name for jar in first.glob("*.jar")} == complete
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [first.name]
