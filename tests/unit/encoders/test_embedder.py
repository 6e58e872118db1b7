"""What language a described video has, and which processes open the detector."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from encoders.embedder import VideoEmbedder
from schemas.messages.videos import Encoded
from streams.worker import supervise
from tests.support.brokers import CACHE
from tests.support.command import ROOT
from tests.support.events import uploaded

GERMAN = "Frische Nudeln selbst gemacht"


@pytest.mark.parametrize(
    ("upload", "language"),
    [
        ({"title": GERMAN}, "de"),
        ({"title": "GTA V", "description": GERMAN}, "de"),
        ({"title": None, "description": "家で生パスタを作る方法"}, "ja"),
        ({"title": GERMAN, "language": "en"}, "en"),  # what the creator says counts, right or wrong
        ({"title": GERMAN, "language": "de-AT"}, "de-AT"),
        ({"title": GERMAN, "language": ""}, "de"),
        ({"title": "#fyp 24/7"}, None),
        ({"title": "GTA V"}, None),
        ({"title": "24/7", "tags": GERMAN.split(), "category": "Selbstgemachtes"}, None),  # tags are in any language
        ({"title": None, "media_uri": "v7.mp4"}, None),
    ],
)
def test_a_language_is_the_creators_or_that_of_title_and_description(
    embedder: VideoEmbedder, upload: dict[str, Any], language: str | None
) -> None:
    (video,) = embedder.features([uploaded("v7", **upload)])
    assert isinstance(video, Encoded) and video.language == language


def printed(script: str, folder: Path) -> list[str]:
    """What a process of its own prints."""
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
def test_an_agent_that_describes_nothing_does_not_load_the_detector(agent: str, tmp_path: Path) -> None:
    script = f"import sys; from streams import app; assert app.{agent}; print('py3langid' in sys.modules)"
    assert printed(script, tmp_path) == ["False"]
