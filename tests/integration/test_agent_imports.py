"""Which libraries and models an agent or a command has in memory, in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from streams.worker import supervise
from tests.support.brokers import CACHE, share_labels
from tests.support.paths import ROOT

GERMAN = "Frische Nudeln selbst gemacht"
LIBRARIES = {"py3langid", "onnxruntime", "tokenizers"}


def printed(script: str, folder: Path) -> list[str]:
    """What a process of its own prints."""
    share_labels(folder)
    environ = supervise.environment(CACHE.settings.model_copy(update={"data_dir": folder}))
    command = [sys.executable, "-c", script]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True).stdout.split()


def test_an_encoder_has_opened_the_detector_before_the_first_upload(tmp_path: Path) -> None:
    script = f"""if True:
        from streams import app
        assert app.encoder
        from encoders.annotate.language import LanguageIdentifier, language_of
        LanguageIdentifier.from_model_file = None  # what is not open by now cannot be opened
        print(language_of({GERMAN!r}))
    """
    assert printed(script, tmp_path) == ["de"]


@pytest.mark.parametrize("agent", ["ranker", "profiles"])
def test_an_agent_that_encodes_nothing_loads_no_library_of_the_encoders(agent: str, tmp_path: Path) -> None:
    script = f"import sys; from streams import app; assert app.{agent}; print(len({LIBRARIES} & sys.modules.keys()))"
    assert printed(script, tmp_path) == ["0"]


def test_what_is_no_agent_starts_without_faust(tmp_path: Path) -> None:
    script = """if True:
        import sys
        import streams.api.server, streams.logs.replay, streams.operations.contract.verify, streams.operations.search
        print(*{"faust.app", "faust.types", "mode.services"} & sys.modules.keys())
    """
    assert printed(script, tmp_path) == []
