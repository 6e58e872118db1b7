"""The recording of the page is an animation of what a person saw, and small enough for a README."""

from pathlib import Path

import pytest

from tests.integration.page import film
from tests.support.page_browser import Page

ANIMATION, FRAME = b"ANIM", b"ANMF"  # chunks of a WebP


@pytest.mark.slow
def test_a_story_becomes_an_animation_that_is_shown_as_long_as_it_took(page: Page, tmp_path: Path) -> None:
    camera, file = film.Camera(page), tmp_path / "film.webp"
    page.open_feed()
    camera.hold(0.5)
    page.run("document.querySelector('.row .like').click()")
    page.until(lambda: page.answers() == 1)
    camera.hold(0.5)
    film.write(camera.frames, file)
    written = file.read_bytes()
    assert written.startswith(b"RIFF") and ANIMATION in written[:64]
    assert 2 <= written.count(FRAME) <= len(camera.frames)
    times_ms = [1000 * (at_s - camera.frames[0][1]) for _, at_s in camera.frames]
    *before, _ = durations_ms(written)  # nobody knows how long the last one is to be shown
    assert times_ms[1] - 2 <= sum(before) <= times_ms[-1] + 2


def durations_ms(webp: bytes) -> list[int]:
    """How long each picture of an animation is shown, by the container format's ANMF chunks."""
    found, at = [], 12
    while at + 8 <= len(webp):
        size = int.from_bytes(webp[at + 4 : at + 8], "little")
        if webp[at : at + 4] == FRAME:
            found.append(int.from_bytes(webp[at + 8 + 12 : at + 8 + 15], "little"))
        at += 8 + size + size % 2
    return found


def test_the_recording_in_the_documentation_is_of_a_phone_and_small() -> None:
    written = film.FILE.read_bytes()
    assert len(written) <= film.MOST_BYTES
    assert written.count(FRAME) > 10 and 8_000 < sum(durations_ms(written)) < 60_000
    width = int.from_bytes(written[24:27], "little") + 1  # of the VP8X chunk
    assert width == film.WIDTH
