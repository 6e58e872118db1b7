"""What takes seconds to make, made once a session (with xdist: once in each of its processes).

The fixtures import what they need when they are asked for, so that tests of pure functions start at once.
"""

import gc
import multiprocessing
import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from encoders.base import TextModelName
    from encoders.embedder import VideoEmbedder
    from encoders.media.sandbox_client import MediaReader
    from encoders.modalities.audio import AudioEncoder
    from encoders.modalities.image import ImageEncoder
    from encoders.modalities.text import TextEncoder
    from schemas.settings.model import Settings
    from streams.local.broker import LocalBroker
    from tests.support.command import Freshet

ENGINE_MODULES = ("support/edge.py", "support/edge_stub.py", "bench/edge_qdrant.py", "bench/engine.py")

# They import Qdrant's engine, which is not everywhere (`make edge`).
collect_ignore = [] if find_spec("qdrant_edge") else [*ENGINE_MODULES]

# Before numpy is loaded: on two cores the threads of four test processes and of their agents wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Said before anything starts the one server that a process has: the benches use it too.
multiprocessing.get_context("forkserver").set_forkserver_preload(["tests.support.loaded"])

# How long an example takes, the machine decides.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is imported and collected stays to the end: nobody looks through it for garbage, now or in the tests."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


LONGEST = (  # of minutes each, so that they begin first
    "tests/chaos/test_chaos.py",
    "tests/integration/processes/test_troubles.py",
    "tests/integration/test_what_brokers_do.py",
    "tests/integration/test_demo.py",
    "tests/integration/test_indexer.py",
    "tests/simulation/test_simulation.py",
    "tests/integration/test_playground.py",
    "tests/integration/test_poison.py",
    "tests/integration/test_agents.py",
    "tests/integration/test_search.py",
)
LAST = "tests/integration/test_models_from_source.py"  # .ci/run is still making what this compares


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files and what waits for a broker: no process then works alone at the end."""
    order = {file: number for number, file in enumerate(LONGEST)}

    def place(item: pytest.Item) -> tuple[bool, int, bool]:
        file = item.nodeid.partition("::")[0]
        return file == LAST, order.get(file, len(order)), item.get_closest_marker("connected") is None

    items.sort(key=place)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator["LocalBroker"]:
    """One Kafka for all tests that neither stop nor configure theirs; prefixes keep their topics apart."""
    from tests.support.brokers import broker_in

    with broker_in(tmp_path_factory.mktemp("broker")) as running:
        yield running
        running.kill()  # an orderly end would write down what nobody reads
        shutil.rmtree(running.folder / "log")  # a thousand folders


@pytest.fixture(scope="session")
def all_there() -> None:
    """What a whole Freshet needs of the machine; the test is skipped where it is missing."""
    from encoders.base import ModelError
    from encoders.models.manifest import folder_of, verify
    from tests.support.brokers import CACHE, needs_java_and_maven

    needs_java_and_maven()
    try:
        verify(folder_of(CACHE.settings.cache_dir))
    except ModelError as error:
        pytest.skip(str(error))


@pytest.fixture
def settings(broker: "LocalBroker", tmp_path: Path, request: pytest.FixtureRequest) -> "Settings":
    """Settings with topics of the test's own, made on the session's broker."""
    from tests.support.system import own_topics

    return own_topics(broker.bootstrap, tmp_path, request.node.nodeid)


@pytest.fixture
def freshet(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> "Freshet":
    """Runs commands in this process, in an empty folder and without FRESHET_ variables."""
    from tests.support.command import Freshet

    for name in [name for name in os.environ if name.startswith("FRESHET_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return Freshet(capsys)


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of the real models, looked through."""
    from tests.support.models import real_models

    return real_models()


@pytest.fixture(scope="session")
def e5_models(models: Path) -> Path:
    """The same with a text model that `freshet export` makes where it is chosen, as .ci/run does."""
    return models_with("e5")


@pytest.fixture(scope="session")
def multilingual_models(models: Path) -> Path:
    """The same with the other one of these."""
    return models_with("multilingual")


def models_with(text_model: "TextModelName") -> Path:
    from encoders.base import ModelError
    from tests.support.models import real_models_with

    try:
        return real_models_with(text_model)
    except ModelError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def embedder() -> "VideoEmbedder":
    """All encoders, as an encoding agent opens them."""
    from tests.support.models import real_embedder

    return real_embedder()


@pytest.fixture(scope="session")
def text(models: Path) -> "TextEncoder":
    from encoders.modalities.text import TextEncoder

    return TextEncoder(models, provider="cpu")


@pytest.fixture(scope="session")
def image(models: Path) -> "ImageEncoder":
    from encoders.modalities.image import ImageEncoder

    return ImageEncoder(models, provider="cpu")


@pytest.fixture(scope="session")
def image_int8(models: Path) -> "ImageEncoder":
    from encoders.modalities.image import ImageEncoder

    return ImageEncoder(models, provider="cpu", precision="int8")


@pytest.fixture(scope="session")
def audio(models: Path) -> "AudioEncoder":
    from encoders.modalities.audio import AudioEncoder

    return AudioEncoder(models, provider="cpu")


@pytest.fixture(scope="session")
def reader() -> Iterator["MediaReader"]:
    """A process that decodes media under the limits that are the default."""
    from encoders.media.sandbox_client import MediaReader

    with MediaReader() as reading:
        yield reading


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """pip and uv look for packages nowhere."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("UV_OFFLINE", "1")
