"""The image: it copies what exists, its models are made of little, and its lock is the project's for one processor."""

import re
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

from encoders.models import provision
from tests.meta.test_deployment_files import FRESHET, SERVICES
from tests.support.paths import ROOT

BY_THE_INTERPRETER = {"_distutils_hack"}  # what setuptools hangs into every start


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
    assert copied == {"encoders", "requirements/export.txt", "requirements/weights.txt", *provision.BESIDE}
    assert lines[0] == "python:${PYTHON} AS models"  # not of a stage that other files change


def test_what_makes_the_models_needs_numpy_alone(tmp_path: Path) -> None:
    """The image installs no more of the lock before it, by the line that is tried here too."""
    for file in provision.BESIDE:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    shutil.copytree(ROOT / "encoders", tmp_path / "encoders", ignore=shutil.ignore_patterns("__pycache__"))
    code = "import sys, encoders.models.provision; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)},
                          capture_output=True, text=True, check=True)  # fmt: skip
    brought = {*packages_distributions()} & {*done.stdout.split()} - {*sys.stdlib_module_names}
    assert {name for name in brought if name not in ("encoders", "schemas")} - BY_THE_INTERPRETER == {"numpy"}
    (take,) = re.findall(r"(sed -n '[^']+') requirements/export\.txt", stage("models"))
    lock = subprocess.run(["bash", "-c", f"{take} requirements/export.txt"], cwd=ROOT, capture_output=True, text=True)
    assert re.findall(r"^([\w-]+)==", lock.stdout, re.MULTILINE) == ["numpy"]
    assert lock.stdout.count("--hash=sha256:") > 10 and not lock.stdout.rstrip().endswith("\\")


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
