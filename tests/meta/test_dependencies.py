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
EXPORT = re.findall(r"^[\w-]+", (ROOT / "requirements/export.in").read_text("utf-8"), re.MULTILINE)
NOT_INSTALLED = {
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "joblib": "scikit-learn",
}  # in the export's environment alone


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements: list[str]) -> set[str]:
    return {normal(re.split(r"[\[<>=!;\s~]", one, maxsplit=1)[0]) for one in requirements}


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
    serving = declared(PROJECT["dependencies"]) | declared(optional["data"])
    exporting = serving | declared(optional["export"]) | declared(EXPORT)
    missing = {}
    for name, file in imported(package).items():
        brought_by = {normal(one) for one in installed.get(name, [NOT_INSTALLED.get(name, name)])}
        if not brought_by & (exporting if file.startswith("encoders/export/") else serving):
            missing[name] = file
    assert missing == {}
