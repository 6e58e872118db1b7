"""Kafka's jars, resolved by Maven once into the cache."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from streams.errors import OperatorError
from streams.kafka.probe import Report

KAFKA = "4.1.0"
LOG4J = "2.24.3"  # what Kafka 4.1.0 itself asks for; it brings no binding to slf4j, and so would log nothing
PLUGIN = "3.8.1"
RESOLVE_TIMEOUT_S = 600.0  # a guess: 43 MB over a slow line
POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>freshet</groupId>
  <artifactId>local-broker</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{KAFKA}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>{LOG4J}</version>
    </dependency>
  </dependencies>
  <build>
    <plugins>
      <plugin>
        <groupId>org.apache.maven.plugins</groupId>
        <artifactId>maven-dependency-plugin</artifactId>
        <version>{PLUGIN}</version>
      </plugin>
    </plugins>
  </build>
</project>
"""
WITH_DOCKER = "or use Docker: docker compose up -d kafka, then --bootstrap 127.0.0.1:29092."


def find_program(name: str, package: str) -> str:
    """Full path of a program, or OperatorError that names the package which brings it."""
    if path := shutil.which(name):
        return path
    raise OperatorError(
        f"The local Kafka needs `{name}`, which is not on the PATH.",
        f"Debian, Ubuntu: apt-get install {package}; {WITH_DOCKER}",
    )


def kafka_jars(cache_dir: Path, report: Report) -> Path:
    """Folder with Kafka's jars, fetched by Maven the first time.

    They are fetched into a folder beside it, which is then renamed: the folder is complete as soon as it is there, and
    of two processes that start at once the second uses what the first has fetched.
    """
    folder = cache_dir / f"kafka-{KAFKA}"
    if folder.is_dir():
        return folder
    maven = find_program("mvn", "maven")
    cache_dir.mkdir(parents=True, exist_ok=True)
    report(f"fetching Kafka {KAFKA} with Maven into {folder} (43 MB, once)")
    with tempfile.TemporaryDirectory(dir=cache_dir, prefix=f".kafka-{KAFKA}-") as beside:
        made = Path(beside) / "jars"
        _resolve(maven, Path(beside) / "pom.xml", made)
        try:
            made.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    return folder


def _resolve(maven: str, pom: Path, made: Path) -> None:
    pom.write_text(POM, encoding="utf-8")
    command = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={made}"]
    command.append("-DincludeScope=runtime")
    remedy = f"Check the network and Maven's settings.xml, then try again; {WITH_DOCKER}"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=RESOLVE_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise OperatorError(f"Maven did not fetch Kafka's jars within {RESOLVE_TIMEOUT_S:g} s.", remedy) from None
    if done.returncode or not any(made.glob(f"kafka_2.13-{KAFKA}.jar")):
        errors = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line] or ["no reason given"]
        raise OperatorError(f"Maven could not fetch Kafka's jars: {errors[0]}.", remedy)
    shutil.copy(pom, made / "pom.xml")
