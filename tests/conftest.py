"""What takes seconds to make, made once a session (with xdist: once in each of its processes)."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from encoders.embedder import VideoEmbedder
from encoders.media.sandbox_client import MediaReader
from encoders.modalities.audio import AudioEncoder
from encoders.modalities.image import ImageEncoder
from encoders.modalities.text import TextEncoder
from schemas.settings.model import Settings
from streams.local.broker import LocalBroker
from tests.support.brokers import broker_in
from tests.support.command import Freshet
from tests.support.models import real_embedder, real_models
from tests.support.system import own_topics


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    """One Kafka for all tests that neither stop nor configure theirs; prefixes keep their topics apart."""
    with broker_in(tmp_path_factory.mktemp("broker")) as running:
        yield running
        running.kill()  # an orderly end would write down what nobody reads


@pytest.fixture
def settings(broker: LocalBroker, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """Settings with topics of the test's own, made on the session's broker."""
    return own_topics(broker.bootstrap, tmp_path, request.node.nodeid)


@pytest.fixture
def freshet(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Freshet:
    """Runs commands in this process, in an empty folder and without FRESHET_ variables."""
    for name in [name for name in os.environ if name.startswith("FRESHET_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return Freshet(capsys)


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of the real models, looked through."""
    return real_models()


@pytest.fixture(scope="session")
def embedder() -> VideoEmbedder:
    """All encoders, as an encoding agent opens them."""
    return real_embedder()


@pytest.fixture(scope="session")
def text(models: Path) -> TextEncoder:
    return TextEncoder(models, provider="cpu")


@pytest.fixture(scope="session")
def image(models: Path) -> ImageEncoder:
    return ImageEncoder(models, provider="cpu")


@pytest.fixture(scope="session")
def image_int8(models: Path) -> ImageEncoder:
    return ImageEncoder(models, provider="cpu", precision="int8")


@pytest.fixture(scope="session")
def audio(models: Path) -> AudioEncoder:
    return AudioEncoder(models, provider="cpu")


@pytest.fixture(scope="session")
def reader() -> Iterator[MediaReader]:
    """A process that decodes media under the limits that are the default."""
    with MediaReader() as reading:
        yield reading
