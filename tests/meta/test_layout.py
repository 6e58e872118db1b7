"""The laws of the layout: what lies where, who calls the steps, and that imports go round in no circle."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.meta.test_architecture import name_of, ours
from tests.support.paths import ROOT

PACKAGES = ("schemas", "encoders", "ranker", "streams")
AT_STREAMS_ROOT = {"__init__.py", "app.py", "errors.py"}
MOST_ENTRIES = {"streams": 20, "schemas": 12, "encoders": 12, "ranker": 12}
STEPS = {
    "ProfilesStep": "streams/profiles/step.py",
    "EmbedStep": "streams/encoding/step.py",
    "IndexStep": "streams/indexing/step.py",
    "RankStep": "streams/ranking/step.py",
    "LearnStep": "streams/learning/step.py",
}
CALLERS = {  # who must run the step that runs in production
    "ProfilesStep": {
        "streams/app.py",
        "streams/logs/replay.py",
        "tests/simulation/agents.py",
        "streams/demo/checks.py",
    },
    "EmbedStep": {"streams/app.py", "streams/logs/replay.py", "tests/simulation/agents.py"},
    "IndexStep": {"streams/app.py", "streams/operations/rebuild.py"},
    "RankStep": {"streams/app.py", "streams/logs/replay.py", "tests/simulation/agents.py"},
    "LearnStep": {"streams/app.py", "tests/simulation/learner.py"},
}
FOLDS = {"fold", "fold_batch", "split_by_erasure", "advance_marker"}  # belong to the profiles step alone


def entries(package: str) -> list[str]:
    return sorted(path.name for path in (ROOT / package).iterdir() if path.name != "__pycache__")


def module_of(path: Path) -> str:
    return name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def of_the_packages() -> list[Path]:
    return [path for path in ours(".py") if name_of(path).split("/")[0] in PACKAGES]


def top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run when a module is imported; what stands under TYPE_CHECKING does not."""
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With):
            yield from top_level(node.body)


def imports(path: Path, known: set[str]) -> set[str]:
    """Modules of ours that a module imports when it is imported."""
    found = set()
    for node in top_level(ast.parse(path.read_text("utf-8")).body):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in known else node.module)
    return found & known


def circle(graph: dict[str, set[str]]) -> list[str]:
    """The modules of one import circle; an empty list where there is none."""
    done: set[str] = set()

    def walk(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        for other in sorted(graph[module]):
            if found := walk(other, [*path, module]):
                return found
        done.add(module)
        return []

    return next((found for module in sorted(graph) if (found := walk(module, []))), [])


def calls(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}


def test_only_the_composition_and_the_errors_lie_at_the_root_of_streams() -> None:
    assert {path.name for path in (ROOT / "streams").glob("*.py")} == AT_STREAMS_ROOT


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_read_at_one_glance(package: str) -> None:
    assert len(entries(package)) <= MOST_ENTRIES[package], entries(package)


def test_every_package_says_in_one_sentence_what_it_holds() -> None:
    silent = [
        name_of(path)
        for path in of_the_packages()
        if path.name == "__init__.py" and not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
    assert silent == []


@pytest.mark.parametrize("step", STEPS)
def test_a_step_knows_no_kafka_client_and_no_clock(step: str) -> None:
    source = (ROOT / STEPS[step]).read_text("utf-8")
    assert f"class {step}" in source
    imported = {
        (node.module or "").split(".")[0] if isinstance(node, ast.ImportFrom) else alias.name.split(".")[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported & {"confluent_kafka", "kafka", "aiokafka", "faust", "mode", "time", "datetime", "random"} == set()


@pytest.mark.parametrize("step", CALLERS)
def test_agent_replay_and_simulation_run_the_same_step(step: str) -> None:
    makers = {name_of(path) for path in ours(".py") if calls(path) & {step, f"Flawed{step}"}}
    assert makers >= CALLERS[step]


def test_there_is_one_fold_of_a_batch() -> None:
    folding = {name_of(path) for path in of_the_packages() if calls(path) & FOLDS}
    assert folding <= {"ranker/profile/fold.py", "ranker/profile/erasure.py", STEPS["ProfilesStep"]}


def test_logic_never_imports_the_command_line() -> None:
    known = {module_of(path) for path in of_the_packages()}
    callers = {
        module_of(path)
        for path in of_the_packages()
        if any(one.startswith("streams.cli") for one in imports(path, known))
    }
    assert [one for one in callers if not one.startswith("streams.cli")] == []


def test_imports_go_round_in_no_circle() -> None:
    known = {module_of(path): path for path in of_the_packages()}
    assert circle({module: imports(path, set(known)) for module, path in known.items()}) == []


def test_a_circle_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["b", "c", "b"]
