"""What is imported is declared: no import rests on what another dependency happens to bring."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest

from tests.support.paths import ROOT

PACKAGES = ("schemas", "encoders", "ranker", "streams")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXPORT, BASELINES = (
    re.findall(r"^[\w-]+", (ROOT / f"requirements/{name}.in").read_text("utf-8"), re.MULTILINE)
    for name in ("export", "baselines")
)
NOT_INSTALLED = {
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "joblib": "scikit-learn",
    "implicit": "pm-implicit",
}  # in the environment of the export, or of the baselines, alone


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements: list[str]) -> set[str]:
    return {normal(re.split(r"[\[<>=!;\s~]", one, maxsplit=1)[0]) for one in requirements}


ELSEWHERE = {  # what may be imported in folders that run in an environment of their own
    "encoders/export/": declared([*PROJECT["optional-dependencies"]["export"], *EXPORT]),
    "streams/operations/baselines/fit/": declared(BASELINES),
}


def imported(package: str) -> dict[str, str]:
    """Top-level names of others that a package imports, each with a file that does."""
    found: dict[str, str] = {}
    for file in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            for name in names:
                found.setdefault(name.partition(".")[0], file.relative_to(ROOT).as_posix())
    ours = {*PACKAGES, *sys.stdlib_module_names}
    return {name: file for name, file in found.items() if name not in ours}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_import_of_a_package_is_declared(package: str) -> None:
    optional, installed = PROJECT["optional-dependencies"], packages_distributions()
    serving = declared(PROJECT["dependencies"]) | declared(optional["data"]) | declared(optional["redis"])
    missing = {}
    for name, file in imported(package).items():
        brought_by = {normal(one) for one in installed.get(name, [NOT_INSTALLED.get(name, name)])}
        elsewhere = next((found for folder, found in ELSEWHERE.items() if file.startswith(folder)), set())
        if not brought_by & (serving | elsewhere):
            missing[name] = file
    assert missing == {}
