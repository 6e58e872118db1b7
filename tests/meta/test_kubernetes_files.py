"""The manifests in deploy/kubernetes, as Kustomize puts them together: they start what there is, where it listens."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.agents import Agent
from schemas.settings.load import load
from schemas.settings.model import SECRETS, Settings
from streams.api.access import LOOPBACK_NAMES, OPEN
from streams.worker.run import FROZEN_S, STOP_TIMEOUT_S
from tests.support.paths import ROOT

FOLDER = ROOT / "deploy/kubernetes"
VALIDATE = ROOT / ".venv/kubernetes/bin/kubernetes-validate"
VERSIONS = ("1.30", "1.37")  # of Kubernetes
SETTINGS = {f"FRESHET_{name.upper()}" for name in Settings.model_fields}
WORKLOADS = ("Deployment", "StatefulSet", "Job")

Object = dict[str, Any]  # of Kubernetes


def kustomized(folder: Path) -> str:
    """What Kustomize makes of a folder; the test is skipped where it is not installed."""
    if kubectl := shutil.which("kubectl"):
        command = [kubectl, "kustomize"]
    elif kustomize := shutil.which("kustomize"):
        command = [kustomize, "build"]
    else:
        pytest.skip("neither kubectl nor kustomize is installed (Debian has kubernetes-client)")
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def with_qdrant() -> str:
    """The manifests with the component that needs a Qdrant server, made so as the file says."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(shutil.copytree(FOLDER, Path(made, "kubernetes")))
        file = folder / "kustomization.yaml"
        text = file.read_text("utf-8")
        assert "# components: [qdrant]" in text
        file.write_text(text.replace("# components: [qdrant]", "components: [qdrant]"), "utf-8")
        return kustomized(folder)


def objects(kind: str = "") -> list[Object]:
    return [one for one in yaml.safe_load_all(with_qdrant()) if kind in ("", one["kind"])]


def pods() -> Iterator[tuple[str, Object]]:
    """The name and the pod of each workload."""
    for kind in WORKLOADS:
        yield from ((one["metadata"]["name"], one["spec"]["template"]) for one in objects(kind))


def container_of(pod: Object) -> Object:
    (found,) = pod["spec"]["containers"]
    return found  # type: ignore[no-any-return]  # YAML


def environ_of(pod: Object) -> dict[str, str]:
    """What a container's process finds in its environment, the API's tokens filled in."""
    (config,) = objects("ConfigMap")
    container, found = container_of(pod), {**config["data"]}
    assert [*container["envFrom"][0].values()] == [{"name": config["metadata"]["name"]}]
    found |= {one["name"]: one.get("value", "10.0.0.1") for one in container.get("env", ())}
    found = {name: value.replace("$(POD_IP)", "10.0.0.1") for name, value in found.items()}  # as Kubernetes does
    return found | {"FRESHET_API_READ_TOKEN": "r", "FRESHET_API_WRITE_TOKEN": "w"}


def port_of(container: Object, named: str) -> int:
    return next(int(one["containerPort"]) for one in container["ports"] if one["name"] == named)


def memory(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", text).groups()  # type: ignore[union-attr]
    return int(number) << (20 if unit == "Mi" else 30)


def test_there_is_a_workload_for_each_agent_the_api_and_the_topics() -> None:
    args = {name: container_of(pod)["args"] for name, pod in pods()}
    wanted = {f"freshet-{agent}": ["worker", str(agent)] for agent in Agent}
    assert args == wanted | {"freshet-api": ["api"], "freshet-topics": ["topics", "apply"]}


def test_without_a_qdrant_server_there_is_no_indexer_and_the_rest_is_the_same() -> None:
    plain = [one for one in yaml.safe_load_all(kustomized(FOLDER)) if one["kind"] in WORKLOADS]
    names = {one["metadata"]["name"] for one in plain}
    assert names == {name for name, _ in pods()} - {"freshet-indexer"}


def test_the_command_line_knows_every_command_that_is_started() -> None:
    for _, pod in pods():
        words = [sys.executable, "-m", "streams.cli", *container_of(pod)["args"], "--help"]
        assert subprocess.run(words, cwd=ROOT, capture_output=True, check=False).returncode == 0, words


def test_settings_take_every_variable_and_leave_secrets_to_the_secret() -> None:
    for name, pod in pods():
        environ = environ_of(pod)
        settings = load({}, {key: value for key, value in environ.items() if key != "POD_IP"}, None).settings
        assert settings.qdrant_url and settings.log_format == "json", name
    (config,) = objects("ConfigMap")
    assert not {key.removeprefix("FRESHET_").lower() for key in config["data"]} & SECRETS
    example = yaml.safe_load((FOLDER / "secret.example.yaml").read_text("utf-8"))
    text = (FOLDER / "secret.example.yaml").read_text("utf-8")
    shown = set(re.findall(r"^  (?:# )?(FRESHET_\w+):", text, re.MULTILINE))
    assert {f"FRESHET_{name.upper()}" for name in SECRETS} <= shown <= SETTINGS
    for _, pod in pods():
        assert {"secretRef": {"name": example["metadata"]["name"]}} in container_of(pod)["envFrom"]


@pytest.mark.parametrize("agent", Agent)
def test_a_worker_is_asked_where_it_serves(agent: Agent) -> None:
    pod = next(pod for name, pod in pods() if name == f"freshet-{agent}")
    container, settings = container_of(pod), load({}, environ_of(pod) | {"POD_IP": ""}, None).settings
    asked = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert {kind: one["path"] for kind, one in asked.items()} == {
        "startup": "/livez",
        "liveness": "/livez",
        "readiness": "/readyz",
    }
    for one in asked.values():
        assert str(port_of(container, one["port"])) == settings.metrics_port
    assert settings.metrics_host == "0.0.0.0"  # noqa: S104  # the kubelet asks from outside
    told = pod["metadata"]["annotations"]
    assert told["prometheus.io/scrape"] == "true" and told["prometheus.io/path"] == "/metrics"
    assert told["prometheus.io/port"] == settings.metrics_port


def test_the_api_is_asked_where_it_listens_by_a_name_that_it_goes_by() -> None:
    pod = next(pod for name, pod in pods() if name == "freshet-api")
    container, settings = container_of(pod), load({}, environ_of(pod), None).settings
    for kind in ("startup", "liveness", "readiness"):
        asked = container[f"{kind}Probe"]["httpGet"]
        assert asked["path"] in OPEN and port_of(container, asked["port"]) == settings.api_port
        assert asked["httpHeaders"] == [{"name": "Host", "value": LOOPBACK_NAMES[0]}]
    (service,) = objects("Service")
    assert service["metadata"]["name"] in settings.api_hosts.split(",")
    assert port_of(container, service["spec"]["ports"][0]["targetPort"]) == settings.api_port
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    told = {one["name"]: one.get("value", "") for one in container["env"]}
    assert "$(POD_IP)" in told["FRESHET_API_HOSTS"].split(",")  # by which a scrape asks
    assert [*told].index("POD_IP") < [*told].index("FRESHET_API_HOSTS")  # else it stays as it is written


def test_kubernetes_sets_no_setting_by_itself() -> None:
    made = {f"{one['metadata']['name'].upper().replace('-', '_')}_PORT" for one in objects("Service")}
    assert made & SETTINGS  # it would: Docker's links, FRESHET_API_PORT=tcp://…
    assert all(pod["spec"]["enableServiceLinks"] is False for _, pod in pods())


def test_no_pod_may_more_than_it_needs() -> None:
    """What the Pod Security Standard `restricted` asks for, and a root file system that nobody writes to."""
    (namespace,) = objects("Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for _, pod in pods():
        of_pod, of_container = pod["spec"]["securityContext"], container_of(pod)["securityContext"]
        assert of_pod["runAsNonRoot"] is True and of_pod["seccompProfile"] == {"type": "RuntimeDefault"}
        assert of_container == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod["spec"].keys()
        assert all("hostPath" not in volume for volume in pod["spec"]["volumes"])


def test_the_image_has_the_user_and_the_folder_of_the_pods() -> None:
    image = (ROOT / "Dockerfile").read_text("utf-8")
    (folder,) = re.findall(r"FRESHET_DATA_DIR=(\S+)", image)
    (user,) = re.findall(r"useradd .*--uid (\d+)", image)
    for name, pod in pods():
        assert pod["spec"]["securityContext"]["runAsUser"] == int(user)
        mounted = {one["mountPath"] for one in container_of(pod)["volumeMounts"]}
        assert mounted >= ({"/tmp"} if name == "freshet-topics" else {"/tmp", folder})  # noqa: S108
    images = {container_of(pod)["image"] for _, pod in pods()}
    assert len(images) == 1 and not images & {"freshet", "freshet:latest"}


def test_every_pod_says_what_it_needs_and_ends_in_time() -> None:
    for name, pod in pods():
        resources = container_of(pod)["resources"]
        assert {"cpu", "memory"} <= resources["requests"].keys(), name
        assert memory(resources["requests"]["memory"]) <= memory(resources["limits"]["memory"])
        assert pod["spec"]["terminationGracePeriodSeconds"] > STOP_TIMEOUT_S + FROZEN_S


def test_one_pod_at_a_time_goes_of_each_workload() -> None:
    budgets = {one["metadata"]["name"]: one["spec"] for one in objects("PodDisruptionBudget")}
    for kind in ("Deployment", "StatefulSet"):
        for one in objects(kind):
            budget = budgets.pop(one["metadata"]["name"])
            assert budget["maxUnavailable"] == 1
            assert budget["selector"] == one["spec"]["selector"]
            assert (
                one["spec"]["selector"]["matchLabels"].items() <= one["spec"]["template"]["metadata"]["labels"].items()
            )
            if kind == "Deployment":
                assert one["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    assert not budgets


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_own_schemas_take_every_object(version: str, tmp_path: Path) -> None:
    program = str(VALIDATE) if VALIDATE.exists() else shutil.which("kubernetes-validate")
    if program is None:
        pytest.skip("kubernetes-validate is not installed (make .venv/kubernetes/.installed)")
    file = tmp_path / "all.yaml"
    file.write_text(with_qdrant(), "utf-8")
    secret = FOLDER / "secret.example.yaml"
    words = [program, "--strict", "-k", version, str(file), str(secret)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": ""})
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("passed") == len(objects()) + 1
