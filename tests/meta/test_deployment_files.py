"""The compose file, the image and the examples in deploy/ agree with the code that they start."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from encoders.models.manifest import TEXT_FOLDERS
from schemas.settings.load import load
from schemas.settings.model import Settings
from schemas.topics import MAX_RECORD_BYTES
from streams.local.broker import server_properties
from streams.local.jars import KAFKA as KAFKA_VERSION
from tests.support.paths import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
WORKERS = sorted(name for name, service in SERVICES.items() if "worker" in service.get("command", ()))
TOOLS = sorted(name for name, service in SERVICES.items() if "tools" in service.get("profiles", ()))
FRESHET = sorted(name for name, service in SERVICES.items() if str(service["image"]).startswith("freshet:"))
KAFKA: dict[str, Any] = SERVICES["kafka"]["environment"]
OF_ITS_PLACE = {
    "advertised.listeners",
    "controller.quorum.voters",
    "inter.broker.listener.name",
    "listener.security.protocol.map",
    "listeners",
    "log.dirs",
}
SETTINGS = {name.upper() for name in Settings.model_fields}
OF_THE_CONTAINERS = {
    *("bootstrap", "qdrant_url", "provider", "data_dir"),
    *("metrics_host", "metrics_port", "api_host", "api_port", "api_hosts"),
}
FOLDERS = {"data_dir", "cache_dir"}
TOKENS = {"FRESHET_API_READ_TOKEN": "r", "FRESHET_API_WRITE_TOKEN": "w"}


def python(*words: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m …` in the repository and keep what it says."""
    return subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False)


def with_defaults(value: object) -> str:
    """A compose value as it is when no variable is set: `${NAME:-4}` is 4."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value))


def environment(service: str) -> dict[str, str]:
    return {name: with_defaults(value) for name, value in SERVICES[service]["environment"].items()}


def listeners(names: str) -> dict[str, str]:
    return dict(listener.split("://") for listener in str(KAFKA[names]).split(","))


def commands() -> Iterator[tuple[str, ...]]:
    """Every command that the compose file, the image and the Makefile give to `freshet`."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    yield from sorted({tuple(SERVICES[name]["command"]) for name in FRESHET})
    yield from sorted((verb,) for verb in set(re.findall(r"\$\(BIN\)/freshet (\w+)", makefile)))


def test_the_compose_file_keeps_to_the_specification() -> None:
    checked = python("check_jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_there_is_a_service_for_each_agent_and_one_that_makes_the_topics() -> None:
    assert {"profiles", "encoder", "indexer", "ranker", "learner", "topics"} <= set(FRESHET)


@pytest.mark.parametrize("service", FRESHET)
def test_settings_take_every_variable_of_the_compose_file(service: str) -> None:
    settings = load({}, environment(service), None).settings
    assert settings.bootstrap == listeners("KAFKA_ADVERTISED_LISTENERS")["INNER"]
    assert settings.qdrant_url == "http://qdrant:6333"
    assert settings.provider == ("cuda" if service == "encoder-gpu" else "cpu")


@pytest.mark.parametrize("service", FRESHET)
def test_what_is_not_of_the_place_is_left_to_the_environment_file(service: str) -> None:
    """What a service sets counts more than the file, so that it may set no more than what the containers make of it."""
    assert SERVICES[service]["env_file"] == [{"path": "freshet.env", "required": False}]
    told = {name.removeprefix("FRESHET_").lower() for name in environment(service)}
    assert told <= OF_THE_CONTAINERS


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_every_service_has_limits_and_keeps_a_bounded_log(service: str) -> None:
    one = SERVICES[service]
    assert re.fullmatch(r"\d+[mg]", one["mem_limit"]) and one["pids_limit"] <= 1024
    assert one["logging"]["options"] == {"max-size": "10m", "max-file": "5"}


def test_prometheus_asks_the_api_by_a_name_that_it_goes_by() -> None:
    job = next(one for one in SCRAPES["scrape_configs"] if one["job_name"] == "freshet-api")
    (rename,) = job["relabel_configs"]
    name, port = rename["replacement"].split(":")
    settings = load({}, environment("api") | TOKENS, None).settings
    assert rename["target_label"] == "__address__" and int(port) == settings.api_port
    assert job["dns_sd_configs"] == [{"names": [name], "type": "A", "port": int(port)}] and name in SERVICES
    assert name in settings.api_hosts.split(",")
    assert f"/deploy/prometheus/{job['authorization']['credentials_file']}" in (ROOT / ".gitignore").read_text("utf-8")


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_the_command_line_knows_every_command_that_is_started(command: tuple[str, ...]) -> None:
    told = python("streams.cli", *command, "--help")
    assert told.returncode == 0, told.stderr
    assert [word for word in command if word not in told.stdout] == [], told.stdout


def test_partitions_and_replication_are_the_defaults_of_the_code() -> None:
    defaults = load({}, {}, None).settings
    for service in FRESHET:
        settings = load({}, environment(service), None).settings
        assert (settings.partitions, settings.replication) == (defaults.partitions, defaults.replication)
    copies = {name: value for name, value in KAFKA.items() if name.endswith("_REPLICATION_FACTOR")}
    assert set(copies.values()) == {defaults.replication}


def test_the_broker_takes_the_largest_record_that_the_code_may_write() -> None:
    assert KAFKA["KAFKA_MESSAGE_MAX_BYTES"] == MAX_RECORD_BYTES
    assert KAFKA["KAFKA_REPLICA_FETCH_MAX_BYTES"] >= MAX_RECORD_BYTES


def test_the_broker_is_the_one_that_the_tests_start() -> None:
    local = server_properties(Path("kafka"), 9092, 9093)
    here = {name.removeprefix("KAFKA_").replace("_", ".").lower(): str(value) for name, value in KAFKA.items()}
    common = here.keys() & local.keys() - OF_ITS_PLACE
    assert {key: here[key] for key in common} == {key: local[key] for key in common}
    assert here["auto.create.topics.enable"] == "false"  # the broker's own would have another partition count
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"


def test_each_listener_is_advertised_by_a_name_that_its_clients_reach() -> None:
    advertised, listening = listeners("KAFKA_ADVERTISED_LISTENERS"), listeners("KAFKA_LISTENERS")
    assert advertised["INNER"] == f"kafka{listening['INNER']}"
    assert advertised["OUTER"] == f"localhost{listening['OUTER']}"
    assert SERVICES["kafka"]["ports"] == [f"127.0.0.1{listening['OUTER']}{listening['OUTER']}"]


@pytest.mark.parametrize("service", [*FRESHET, *TOOLS])
def test_nothing_starts_before_what_it_needs_is_healthy(service: str) -> None:
    for needed, how in SERVICES[service].get("depends_on", {}).items():
        if how["condition"] == "service_healthy":
            assert SERVICES[needed]["healthcheck"]["test"][0] == "CMD"
        else:
            assert how["condition"] == "service_completed_successfully"
            assert SERVICES[needed]["restart"] == "no"


SCRAPES: dict[str, Any] = yaml.safe_load((ROOT / "deploy/prometheus/compose.yml").read_text("utf-8"))
GRAFANA = ROOT / "deploy/grafana"


def mounts(service: str) -> dict[str, Path]:
    """What of the tree a service finds, by the path where it does."""
    pairs = (str(one).split(":")[:2] for one in SERVICES[service]["volumes"] if one.startswith("./"))
    return {inside: ROOT / outside for outside, inside in pairs}


def test_every_worker_serves_metrics_to_the_other_containers_alone_where_prometheus_asks() -> None:
    job = next(one for one in SCRAPES["scrape_configs"] if one["job_name"] == "freshet")
    (asked,) = job["dns_sd_configs"]
    assert sorted(asked["names"]) == WORKERS and len(WORKERS) == len(set(asked["names"])) >= 6
    for service in WORKERS:
        settings = load({}, environment(service), None).settings
        assert (settings.metrics_host, settings.metrics_port) == ("0.0.0.0", str(asked["port"]))  # noqa: S104
        assert not SERVICES[service].get("ports")
    assert not any("FRESHET_METRICS_PORT" in environment(name) for name in {*FRESHET} - {*WORKERS})


def test_prometheus_of_the_containers_takes_the_job_and_the_rules_of_the_other_one() -> None:
    other = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text("utf-8"))
    assert [one["job_name"] for one in SCRAPES["scrape_configs"]] == [
        one["job_name"] for one in other["scrape_configs"]
    ]
    assert {name: one for name, one in SCRAPES.items() if name != "scrape_configs"} == {
        name: one for name, one in other.items() if name != "scrape_configs"
    }


def test_the_tools_find_their_files_and_are_looked_after() -> None:
    assert TOOLS == ["grafana", "prometheus"]
    assert all(SERVICES[name]["healthcheck"]["test"][0] == "CMD" for name in TOOLS)
    for name in TOOLS:
        assert all(path.exists() for path in mounts(name).values())
        assert all(one.endswith(":ro") for one in SERVICES[name]["volumes"] if one.startswith("./"))
    (config,) = (word for word in SERVICES["prometheus"]["command"] if word.startswith("--config.file="))
    folder, file = config.removeprefix("--config.file=").rsplit("/", 1)
    assert (mounts("prometheus")[folder] / file).is_file()


def test_grafana_has_the_board_and_its_source_from_the_start_and_asks_no_other_host() -> None:
    source = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text("utf-8"))["datasources"]
    assert [one["isDefault"] for one in source] == [True]
    assert source[0]["url"] == f"http://prometheus:{SERVICES['prometheus']['ports'][0].split(':')[-1]}"
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/freshet.yml").read_text("utf-8"))["providers"]
    boards = {path: file for path, file in mounts("grafana").items() if path.endswith(".json")}
    assert [*boards.values()] == [GRAFANA / "dashboard.json"]
    assert {path.rsplit("/", 1)[0] for path in boards} == {provider["options"]["path"]}
    assert mounts("grafana")["/etc/grafana/provisioning"] == GRAFANA / "provisioning"
    told = SERVICES["grafana"]["environment"]
    assert told["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] in boards
    assert told["GF_ANALYTICS_REPORTING_ENABLED"] == told["GF_ANALYTICS_CHECK_FOR_UPDATES"] == "false"


def test_every_foreign_image_is_pinned_and_ports_are_open_to_this_machine_alone() -> None:
    for name, service in SERVICES.items():
        if name not in FRESHET:
            assert re.fullmatch(r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+", service["image"])
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_the_example_of_an_environment_file_has_every_setting_with_its_default_and_no_other() -> None:
    text = (ROOT / "deploy/freshet.env.example").read_text("utf-8")
    told = dict(re.findall(r"^#(FRESHET_\w+)=(.*)$", text, re.MULTILINE))
    assert {name.removeprefix("FRESHET_") for name in told} == SETTINGS
    whole, defaults = load({}, told, None).settings, load({}, {}, None).settings
    assert whole.model_dump(exclude=FOLDERS) == defaults.model_dump(exclude=FOLDERS)
    for folder in FOLDERS:  # they are those of the image and of the units
        (line,) = re.findall(rf"FRESHET_{folder.upper()}=(\S+)", (ROOT / "Dockerfile").read_text("utf-8"))
        assert str(getattr(whole, folder)) == line


CLUSTER: dict[str, Any] = yaml.safe_load((ROOT / "deploy/qdrant-cluster.yml").read_text("utf-8"))
NODES = {name: node for name, node in CLUSTER["services"].items() if name.startswith("qdrant")}


def test_the_cluster_keeps_to_the_specification_and_to_the_version_of_the_compose_file() -> None:
    checked = python("check_jsonschema", "--builtin-schema", "vendor.compose-spec", "deploy/qdrant-cluster.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert {node.get("image", SERVICES["qdrant"]["image"]) for node in NODES.values()} == {SERVICES["qdrant"]["image"]}
    checks = [node["healthcheck"] for node in NODES.values() if "healthcheck" in node]
    assert checks == [SERVICES["qdrant"]["healthcheck"]] * 2


def test_each_node_of_the_cluster_is_reached_by_the_name_that_it_gives_the_others() -> None:
    assert len(NODES) == 3
    for name, node in NODES.items():
        own = node["command"][node["command"].index("--uri") + 1]
        names = {name, *node["networks"]["default"]["aliases"]}
        assert re.fullmatch(r"http://([\w-]+):6335", own)[1] in names  # type: ignore[index]
        assert node["environment"]["QDRANT__CLUSTER__ENABLED"] == "true"
        if name != "qdrant":
            first = node["command"][node["command"].index("--bootstrap") + 1]
            assert first == NODES["qdrant"]["command"][-1]
            assert node["depends_on"]["qdrant"]["condition"] == "service_healthy"
    assert sum("qdrant" in {name, *node["networks"]["default"]["aliases"]} for name, node in NODES.items()) == 3
    stored = [node["volumes"][0].split(":")[0] for node in NODES.values() if "volumes" in node]
    assert {*stored} == {*CLUSTER["volumes"]} and len({*stored}) == 2


def test_the_cluster_outlives_a_node_and_who_makes_the_collection_says_so() -> None:
    environ = {name: with_defaults(value) for name, value in CLUSTER["services"]["indexer"]["environment"].items()}
    settings = load({}, environment("indexer") | environ, None).settings
    assert 2 <= settings.qdrant_replicas <= len(NODES) and settings.qdrant_shards % len(NODES) == 0
    assert settings.qdrant_write_consistency < settings.qdrant_replicas  # else a node that is away ends all writes
    waits = {*SERVICES["indexer"]["depends_on"], *CLUSTER["services"]["indexer"]["depends_on"]}
    assert {*NODES} <= waits


def copied(stage: str) -> Iterator[tuple[str, str]]:
    """What a stage of the Dockerfile copies from the source, and where to."""
    [lines] = re.findall(rf"^FROM \S+ AS {stage}$(.*?)^FROM ", (ROOT / "Dockerfile").read_text("utf-8"), re.M | re.S)
    whole = lines.replace("\\\n", " ")  # a long line goes on after a backslash
    for sources, target in re.findall(r"^COPY (?!--from)(.+) (\S+)$", whole, re.MULTILINE):
        yield from ((source, target) for source in sources.split())


def test_the_images_models_are_made_of_what_their_stage_copies(tmp_path: Path) -> None:
    """And of nothing else, so that they are made again only where one of these changes."""
    for source, target in copied("models"):
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, tmp_path / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (tmp_path / target).mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, tmp_path / target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["encoders", "requirements", "schemas"]
    locks = {"weights.txt", *(f"weights-{name}.txt" for name in ("speech", *TEXT_FOLDERS))}
    assert {path.name for path in (tmp_path / "requirements").iterdir()} == locks
    parts = ", ".join(f"encoders.export.{name}.__main__" for name in TEXT_FOLDERS)
    imports = f"import {parts}, encoders.export.speech, encoders.export.__main__ as e, encoders.models.provision as p"
    script = f"{imports}; print(p.REQUIREMENTS, *e.makers())"
    ran = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0 and ran.stdout.startswith(f"{tmp_path / 'requirements'} <function make"), ran.stderr
