"""The table of docs/content/formats.md is what happens."""

import pytest

from encoders.media.sandbox_client import MediaReader
from tests.support.media_asserts import pitch_of
from tests.support.media_table import FILES, documented, row
from tests.support.paths import DATA

AUDIO = DATA / "audio"


def test_the_page_has_a_line_for_each_file() -> None:
    assert [line.split(" | ")[0].removeprefix("| ") for line in documented()[2:]] == list(FILES)


@pytest.mark.parametrize("name", FILES)
def test_what_the_page_says_of_a_file_is_what_is_read_of_it(reader: MediaReader, name: str) -> None:
    assert row(name, FILES[name], reader) in documented()


@pytest.mark.parametrize(
    "name", [name for name in FILES if name.startswith(("WAV", "M4A", "Ogg", "AAC", "Matroska, O"))]
)
def test_sound_of_every_kind_is_the_tone_that_was_written(reader: MediaReader, name: str) -> None:
    media = reader.read(FILES[name]())
    assert pitch_of(media) == pytest.approx(440, abs=3)


@pytest.mark.skipif(not AUDIO.exists(), reason="needs audio; set FRESHET_TEST_DATA")
@pytest.mark.parametrize("name", sorted(file.name for file in AUDIO.glob("*.ogg")))
def test_a_recording_is_read(reader: MediaReader, name: str) -> None:
    media = reader.read((AUDIO / name).read_bytes())
    assert media.sound is not None
    assert media.frames is None or len(media.frames) == 1  # one has a cover
