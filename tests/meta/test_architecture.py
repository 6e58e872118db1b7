"""The rules of the tree: where packages lie, what pure code may not touch, how long a module may be."""

import ast
import importlib
import os
import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from pydantic import SecretStr

from schemas.settings.load import load
from schemas.settings.model import Settings
from tests.support.paths import ROOT

PACKAGES = ("schemas", "encoders", "ranker", "streams")
PURE = ("schemas/", "encoders/", "ranker/")
EDGES = (
    "encoders/export/",
    "encoders/models/provision.py",
    "encoders/models/steps.py",
    "ranker/pipeline/kernel/build.py",
)
READS_ENVIRONMENT = {"schemas/settings/model.py", "encoders/__init__.py"}  # the second sets one variable
KEEPS_HASHES = {"encoders/models/pieces.py"}  # of a table that finds the same whatever they are
MOST_LINES = 300
NOT_OURS = ("__pycache__", "build", "dist", "shared")

IMPURE_MODULES = {
    "time": "reads the clock",
    "random": "draws without a seed of ours",
    "secrets": "draws without a seed",
    "socket": "reaches the network",
    "ssl": "reaches the network",
    "http": "reaches the network",
    "urllib.request": "reaches the network",
    "requests": "reaches the network",
    "httpx": "reaches the network",
    "aiohttp": "reaches the network",
}
IMPURE_NAMES = {"now", "utcnow", "today", "urandom", "uuid1", "uuid4", "getenv", "environ"}
SEEDED = {"default_rng", "Generator", "SeedSequence", "BitGenerator", "PCG64", "Philox"}
UNPICKLES = {  # weights that exist as pickles alone, by sha256
    "encoders/export/tensors.py",  # lets a file name nothing but what is listed
    "encoders/export/source/toxicity.py",  # in a throw-away environment
    "tests/unit/encoders/test_tensors.py",  # what the first must refuse
}
PICKLERS = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
MACHINE_PATH = re.compile(r"(?<![\w.~>)}-])/(?:work|root|tmp|home|Users)/\w")


def ours(suffix: str = "") -> list[Path]:
    """Every file of the repository, in order, without what tools leave behind."""
    found: list[Path] = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name == ".ci" or not (name in NOT_OURS or name.startswith("."))]
        found += [Path(folder, name) for name in files if name.endswith(suffix) and name != ".git"]  # of a worktree
    return sorted(found)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def within(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")


def impurities(source: str) -> list[str]:
    """Everything in a module that asks the machine instead of its arguments, with its line."""
    tree = ast.parse(source)
    found = [
        (line, f"imports {name}, which {why}")
        for line, name in imported(tree)
        for module, why in IMPURE_MODULES.items()
        if within(name, module)
    ]
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Attribute(attr="random"), attr=draw) if draw not in SEEDED:
                found.append((node.lineno, f"draws from numpy's global chance by {draw}"))
            case ast.Call(func=made, args=[], keywords=[]) if ast.unparse(made).endswith("default_rng"):
                found.append((node.lineno, "makes a generator without a seed"))
            case ast.Call(func=ast.Name(id="hash")):
                found.append((node.lineno, "calls hash(), which differs from process to process"))
            case ast.Attribute(attr=asked) | ast.alias(name=asked) if asked in IMPURE_NAMES:
                found.append((node.lineno, f"asks the machine by {asked}"))
    return [f"line {line} {what}" for line, what in sorted(found)]


def picklers(source: str) -> list[str]:
    tree = ast.parse(source)
    found = [f"line {line} imports {name}" for line, name in imported(tree) if name.split(".")[0] in PICKLERS]
    for node in ast.walk(tree):
        match node:
            case ast.keyword(arg="allow_pickle", value=ast.Constant(value=True)):
                found.append(f"line {node.lineno} allows pickles")
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_comes_from_this_tree(package: str) -> None:
    assert Path(str(importlib.import_module(package).__file__)).parent == ROOT / package
    assert (ROOT / package / "py.typed").exists()


def test_pure_packages_ask_neither_clock_nor_chance_nor_machine() -> None:
    pure = [path for path in ours(".py") if name_of(path).startswith(PURE) and not name_of(path).startswith(EDGES)]
    faults = {name_of(path): impurities(path.read_text("utf-8")) for path in pure}
    for name in READS_ENVIRONMENT:
        faults[name] = [fault for fault in faults[name] if not fault.endswith(("environ", "getenv"))]
    for name in KEEPS_HASHES:
        faults[name] = [fault for fault in faults[name] if " calls hash()" not in fault]
    assert {name: found for name, found in faults.items() if found} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "from time import monotonic",
        "import random",
        "from random import shuffle",
        "from urllib.request import urlopen",
        "import numpy as np\nnp.random.shuffle(x)",
        "import numpy as np\nrng = np.random.default_rng()",
        "from numpy.random import default_rng\nrng = default_rng()",
        "from datetime import datetime\nat = datetime.now()",
        "import os\nwhere = os.environ['HOME']",
        "from uuid import uuid4",
        "order = hash('ana')",
    ],
)
def test_an_impure_line_is_found(source: str) -> None:
    assert impurities(source)


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np\nrng = np.random.default_rng(7)\nx = rng.random()",
        "import numpy as np\ndef draw(rng: np.random.Generator) -> float: ...",
        "from uuid import uuid5",
        "from urllib.parse import urlsplit",
        "from datetime import datetime\nat = datetime.fromtimestamp(0)",
    ],
)
def test_chance_from_a_seed_and_time_from_a_value_are_allowed(source: str) -> None:
    assert impurities(source) == []


def test_no_module_is_longer_than_a_sitting() -> None:
    lengths = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in ours(".py")}
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}


def test_nothing_is_pickled() -> None:
    faults = {name_of(path): picklers(path.read_text("utf-8")) for path in ours(".py")}
    assert {name for name, found in faults.items() if found} == UNPICKLES
    assert picklers("from pickle import loads") and picklers("np.load(f, allow_pickle=True)")


def test_all_python_lies_in_the_packages_and_the_tests() -> None:
    assert {name_of(path).split("/")[0] for path in ours(".py")} <= {*PACKAGES, "tests"}


def test_only_one_onnxruntime_is_installed() -> None:
    installed = {str(found.metadata["Name"]).lower().replace("_", "-") for found in metadata.distributions()}
    assert len(installed & {"onnxruntime", "onnxruntime-gpu"}) == 1


def test_no_text_names_a_path_of_somebodys_machine() -> None:
    named = []
    for path in ours():
        try:
            lines = path.read_text("utf-8").splitlines()
        except UnicodeDecodeError:
            continue  # not a text
        numbered = [f"{name_of(path)}:{at}: {line[:100]}" for at, line in enumerate(lines, 1)]
        named += [place for place, line in zip(numbered, lines, strict=True) if MACHINE_PATH.search(line)]
    assert named == []


def test_the_locks_carry_hashes_and_name_no_host() -> None:
    for lock in ("runtime", "dev", "gpu", "build", "bench", "baselines", "kubernetes", "cpu"):
        text = (ROOT / f"requirements/{lock}.txt").read_text("utf-8")
        pins = re.findall(r"^[a-z0-9].*", text, re.MULTILINE)
        assert pins and all("==" in pin and pin.endswith("\\") for pin in pins), lock
        assert not re.search(r"https?:|--(extra-)?index-url|--find-links|--trusted-host| @ ", text), lock


def settings_page() -> dict[str, str]:
    """Documented default of each variable, by its name."""
    text = (ROOT / "docs/settings.md").read_text("utf-8")
    return dict(re.findall(r"^\| `FRESHET_(\w+)` \| (.+?) \|", text, re.MULTILINE))


def test_every_setting_is_documented_and_every_documented_one_exists() -> None:
    assert set(settings_page()) == {name.upper() for name in Settings.model_fields}


def test_documented_defaults_are_the_real_ones() -> None:
    settings = load({}, {"XDG_DATA_HOME": "/data", "XDG_CACHE_HOME": "/cache"}, None).settings
    assert settings.data_dir == Path("/data/freshet")
    assert settings.cache_dir == Path("/cache/freshet")
    for name in sorted(Settings.model_fields.keys() - {"data_dir", "cache_dir"}):
        value = getattr(settings, name)
        plain = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        assert settings_page()[name.upper()] == (f"`{plain}`" if plain else "*empty*"), name


def test_what_the_export_needs_imports_nothing_of_ours_beside_the_encoders() -> None:
    """It runs in an environment of its own, with a copy of `encoders` and of one module that knows letters."""
    seen: set[Path] = set()
    left = sorted((ROOT / "encoders/export").rglob("*.py"))
    while left:
        file = left.pop()
        seen.add(file)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                named = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            for name in named:
                if name.startswith("schemas.messages.plain_text"):
                    left += [ROOT / "schemas/messages/plain_text.py"] * (
                        ROOT / "schemas/messages/plain_text.py" not in seen
                    )
                    continue
                assert name.partition(".")[0] not in ("schemas", "ranker", "streams", "tests"), f"{file}: {name}"
                found = ROOT / (name.replace(".", "/") + ".py")
                if found.is_file() and found not in seen:
                    left.append(found)
    assert ROOT / "encoders/fusion/projection.py" in seen


def test_what_the_baselines_need_imports_nothing_of_ours_but_what_is_handed_over() -> None:
    """They run in an environment of their own, with a copy of `fit` and of the exchange."""
    baselines = ROOT / "streams/operations/baselines"
    handed_over = ("streams.operations.baselines.exchange", "streams.operations.baselines.fit.")
    for file in (baselines / "exchange.py", *sorted((baselines / "fit").glob("*.py"))):
        names = [name for _, name in imported(ast.parse(file.read_text("utf-8")))]
        ours = [name for name in names if name.partition(".")[0] in (*PACKAGES, "tests")]
        assert [name for name in ours if not name.startswith(handed_over)] == [], file
