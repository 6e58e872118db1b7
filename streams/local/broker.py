"""A real Kafka broker on this machine: one KRaft node, on loopback only, for development and tests."""

import re
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from schemas.settings.model import Settings
from schemas.topics import MAX_RECORD_BYTES
from streams.errors import OperatorError
from streams.kafka.probe import RETRY_DELAY_S, Report, addresses, is_broker_ready
from streams.local import storage
from streams.local.jars import KAFKA, find_program, kafka_jars
from streams.local.java import OPTIONS, archive_of, java_environment, properties_text
from streams.worker import processes

HOST, NODE_ID = "127.0.0.1", "1"
CHOSEN_PORTS = range(20_000, 32_768)  # Linux gives outgoing connections those above, macOS those from 49152 on
START_TIMEOUT_S = 120.0  # a guess: 3 s were seen on two idle cores, 28 s on two that six others used
STOP_TIMEOUT_S = 10.0
SHORT_LIFE_S = 10.0  # a broker that ends sooner after its start would do so again
SERVER = "kafka.Kafka"
HEAP = ("-Xms128m", "-Xmx768m", "-XX:-UsePerfData")  # without a file in /tmp that tools may look at
# Of a broker that lives for minutes: the optimising compiler takes ten seconds of CPU before a request costs half.
WITHOUT_OPTIMISING = "-XX:TieredStopAtLevel=1"

LOG4J = """status = off
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = {folder}/broker.log
appender.file.filePattern = {folder}/broker.log.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d %p %m (%c)%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 5MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 2
rootLogger.level = WARN
rootLogger.appenderRef.file.ref = file
"""


class LocalBroker:
    """One broker process with its folder; it can be started again after `stop` or `kill`, with its data.

    lasts      whether it will serve so many requests that optimising its code is worth the CPU, see decision 0084
    archiving  file for an archive of its classes, which it writes at an orderly end instead of using one
    """

    def __init__(
        self, folder: Path, jars: Path, port: int, extra: Mapping[str, str] | None = None, *,
        lasts: bool = False, archiving: Path | None = None,
    ) -> None:  # fmt: skip
        self.folder, self.jars, self.port, self.lasts, self.archiving = folder, jars, port, lasts, archiving
        self.extra = dict(extra or {})  # server properties that override ours
        self.process: subprocess.Popen[bytes] | None = None
        self._started_s = 0.0
        self._logged: dict[Path, int] = {}  # how long each log was before the start

    @property
    def _log(self) -> Path:
        return self.folder / "log"

    @property
    def bootstrap(self) -> str:
        """Address for clients."""
        return f"{HOST}:{self.port}"

    def start(self, report: Report = lambda _: None) -> None:
        """Start it and return once it answers a Metadata request; raises OperatorError where it does not."""
        refuse_taken_port(self.port)
        _refuse_unusable_name(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._logged = {log: log.stat().st_size for log in self._logs() if log.exists()}
        self._write_files()
        if not storage.is_formatted(self._log):
            self._format()
        with (self.folder / "console.log").open("ab") as console:
            command = self._java(SERVER, "server.properties")
            self.process = processes.start(command, console, java_environment())
        self._started_s = time.monotonic()
        try:
            self._wait(report)
        except BaseException:
            self.kill()
            raise

    def stop(self, limit_s: float = STOP_TIMEOUT_S) -> None:
        """Stop it in order, or after the limit by force."""
        if self.process:
            processes.stop(self.process, limit_s)
            self.process = None

    def kill(self) -> None:
        """End it at once with SIGKILL, as a crash would."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def start_again_if_ended(self, report: Report) -> None:
        """Where it has ended by itself, say so and start it again; OperatorError where it does not stay."""
        if self.process is None or (status := self.process.poll()) is None:
            return
        how, lived_s = processes.exit_text(status), time.monotonic() - self._started_s
        if lived_s < SHORT_LIFE_S:
            raise OperatorError(f"Kafka ended {how} again, {lived_s:.0f} s after its start.", _see(self.folder))
        report(f"Kafka at {self.bootstrap} ended {how}; it is started again with its data")
        self.start(report)

    def _write_files(self) -> None:
        properties = server_properties(self.folder, self.port, free_port()) | self.extra
        (self.folder / "server.properties").write_text(properties_text(properties), encoding="ascii")
        logging = dict(line.split(" = ", 1) for line in LOG4J.format(folder=self.folder).splitlines())
        (self.folder / "log4j2.properties").write_text(properties_text(logging), encoding="ascii")

    def _java(self, main: str, *arguments: str) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={(self.folder / 'log4j2.properties').as_uri()}"
        given = [str(self.folder / text) if text.endswith(".properties") else text for text in arguments]
        java = find_program("java", "openjdk-17-jre-headless")
        return [
            java,
            *HEAP,
            *(() if self.lasts else (WITHOUT_OPTIMISING,)),
            self._classes(main),
            *OPTIONS,
            "-Djava.awt.headless=true",
            logging,
            "-cp",
            f"{self.jars}/*",
            main,
            *given,
        ]

    def _classes(self, main: str) -> str:
        """The archive that is written or used; Java passes over one that is missing, or not for its like."""
        if self.archiving and main == SERVER:
            return f"-XX:ArchiveClassesAtExit={self.archiving}"
        return f"-XX:SharedArchiveFile={archive_of(self.jars)}"

    def _format(self) -> None:
        """Give an empty folder its ids and features, as Kafka demands before a first start."""
        if storage.format_as_before(self._log, self.jars, NODE_ID):
            return
        arguments = ("format", "-t", storage.random_id(), "-c", "server.properties")
        command = self._java("kafka.tools.StorageTool", *arguments)
        done = subprocess.run(command, capture_output=True, check=False, env=java_environment())
        if done.returncode:
            raise _did_not_start((done.stdout + done.stderr).decode("utf-8", "replace"), self.folder)
        storage.keep_features(self._log, self.jars)

    def _wait(self, report: Report) -> None:
        report(f"waiting for Kafka {KAFKA} to answer at {self.bootstrap} (up to {START_TIMEOUT_S:g} s)")
        end = time.monotonic() + START_TIMEOUT_S
        while not is_broker_ready(HOST, self.port):
            if self.process is None or self.process.poll() is not None:
                raise _did_not_start(self._last_lines(), self.folder)
            if time.monotonic() > end:
                cause = f"Kafka did not answer at {self.bootstrap} within {START_TIMEOUT_S:g} s."
                raise OperatorError(cause, _see(self.folder))
            time.sleep(RETRY_DELAY_S)

    def _logs(self) -> tuple[Path, ...]:
        return self.folder / "console.log", self.folder / "broker.log"

    def _last_lines(self) -> str:
        """What was written since the start, and nothing of an earlier one."""
        new = (log.read_bytes()[self._logged.get(log, 0) :] for log in self._logs() if log.exists())
        return "".join(some[-20_000:].decode("utf-8", "replace") for some in new)


@contextmanager
def broker_if_none_answers(settings: Settings, report: Report, *, lasts: bool = False) -> Iterator[LocalBroker | None]:
    """Run a local broker at the settings' address for the time of a `with`; None where one answers there already."""
    if settings.kafka_security != "plaintext":
        cause = f"The local broker speaks plain text, but FRESHET_KAFKA_SECURITY is {settings.kafka_security}."
        raise OperatorError(cause, "Leave --broker out, or that setting.")
    (host, port), *_ = addresses(settings.bootstrap)
    if is_broker_ready(host, port):
        yield None
        return
    if host not in (HOST, "localhost"):
        cause = f"No broker answers at {settings.bootstrap}, and a local one cannot listen there."
        raise OperatorError(cause, "Leave --broker out.")
    with local_broker(settings.data_dir, settings.cache_dir, port, report=report, lasts=lasts) as broker:
        yield broker


@contextmanager
def local_broker(
    data_dir: Path,
    cache_dir: Path,
    port: int = 0,
    reset: bool = False,
    report: Report = lambda _: None,
    extra: Mapping[str, str] | None = None,
    *,
    lasts: bool = False,
) -> Iterator[LocalBroker]:
    """Run a broker for the time of a `with`; port 0 takes a free one, `reset` begins with an empty log."""
    port = port or free_port()
    refuse_taken_port(port)
    find_program("java", "openjdk-17-jre-headless")
    folder = data_dir.absolute() / f"broker-{port}"
    if reset and (folder / "server.properties").exists():  # a sign that the folder is a broker's
        shutil.rmtree(folder)
    broker = LocalBroker(folder, kafka_jars(cache_dir.absolute(), report), port, extra, lasts=lasts)
    broker.start(report)
    try:
        yield broker
    finally:
        broker.stop()


def server_properties(folder: Path, port: int, controller_port: int) -> dict[str, str]:
    """Kafka's configuration for one node that is broker and controller."""
    size = str(MAX_RECORD_BYTES)
    return {
        "process.roles": "broker,controller",
        "node.id": NODE_ID,
        "controller.quorum.voters": f"{NODE_ID}@{HOST}:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(folder / "log"),
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        "message.max.bytes": size,
        "replica.fetch.max.bytes": size,
        "replica.fetch.response.max.bytes": size,
        "default.replication.factor": "1",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",  # 50 by default: each is a folder to make at the first commit
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        # 9 s and 2 s by default: so long a killed broker counts as alive, and its successor waits.
        "broker.session.timeout.ms": "4000",
        "broker.heartbeat.interval.ms": "500",
        "metadata.max.idle.interval.ms": "5000",  # twice a second by default, a quarter of what an idle broker costs
        "log.retention.hours": "168",
        "log.cleaner.dedupe.buffer.size": "33554432",  # 128 MB by default, a sixth of the heap
    }


def free_port() -> int:
    """A loopback port that nobody uses right now, and that no outgoing connection is given before it is used."""
    while True:
        port = secrets.choice(CHOSEN_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind((HOST, port))
            return port


def refuse_taken_port(port: int) -> None:
    """Raise OperatorError where something listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java does: a crash leaves no wait behind
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise OperatorError(
                f"Port {port} on {HOST} cannot be used: {error.strerror}.",
                "Stop what uses it, or choose another with --port.",
            ) from None


def _refuse_unusable_name(folder: Path) -> None:
    """Kafka divides its list of folders at commas, and its logging replaces ${…}."""
    if any(part in str(folder) for part in (",", "${", "\n")):
        raise OperatorError(f"Kafka cannot keep its log below {folder}: a comma, or ${{.", "Name another --data-dir.")


def _did_not_start(output: str, folder: Path) -> OperatorError:
    if "UnsupportedClassVersionError" in output:
        return OperatorError(
            f"Kafka {KAFKA} needs Java 17 or newer.", "Debian: apt-get install openjdk-17-jre-headless."
        )
    if taken := re.search(r"failed to bind to (\S+): Address already in use", output):  # after `refuse_taken_port`
        cause = f"Kafka cannot listen on {taken[1]}: another program has taken the port meanwhile."
        return OperatorError(cause, "Try again, or choose another port by FRESHET_BOOTSTRAP.")
    faults = [line.strip() for line in output.splitlines() if re.search(r"Exception|ERROR|FATAL|Error", line)]
    why = faults[-1] if faults else "it gave no reason"
    return OperatorError(f"Kafka ended while starting: {why[:300]}.", _see(folder))


def _see(folder: Path) -> str:
    return f"Read {folder}/broker.log and console.log; its data are untouched."
