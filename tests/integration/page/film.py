"""The recording of the page in README and docs: a person likes, and the slate answers; `make film` writes it.

Frames are screenshots of a headless Chromium before a running playground, shown as long as they took; what writes
them is the WebP encoder that PyAV brings along.
"""

import base64
import io
import sys
import tempfile
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av

from tests.support.page_browser import Page, start
from tests.support.paths import ROOT
from tests.support.playground import running

FILE = ROOT / "docs/page-film.webp"
WIDTH, HEIGHT = 390, 760  # of a phone, in CSS pixels
MOST_BYTES = 2_000_000
QUALITY = 55  # of libwebp
LIKES = 3
MS = Fraction(1, 1000)


class Camera:
    """Takes pictures of a page; what does not change takes no room."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.frames: list[tuple[bytes, float]] = []  # PNG, and its time in the recording
        self._recorded_s = 0.0

    def hold(self, seconds: float) -> None:
        """Take pictures for so long, one after the other; what is waited for between two calls is not recorded."""
        began_s = time.monotonic()
        while (passed_s := time.monotonic() - began_s) < seconds:
            asked = {"format": "png", "optimizeForSpeed": True}
            picture = self._page.driver.execute_cdp_cmd("Page.captureScreenshot", asked)["data"]
            self.frames.append((base64.b64decode(picture), self._recorded_s + passed_s))
        self._recorded_s += seconds


def play(page: Page, camera: Camera) -> None:
    """The story: three likes at the top of the list, why a video is there, a search, and the operator's view."""
    page.open_feed()
    page.run("document.querySelector('.next').scrollIntoView({block: 'start', behavior: 'instant'})")
    camera.hold(1.5)
    for number in range(1, LIKES + 1):
        page.run("document.querySelector('.row .like').click()")
        camera.hold(0.9)
        page.until(lambda number=number: page.answers() >= number, "the like is not answered")  # type: ignore[misc]
        camera.hold(1.2)
    page.run("scrollTo({top: 0, behavior: 'instant'})")
    page.press("w")
    page.find("dialog[open]")
    camera.hold(2.5)
    page.click(".why-box .round")
    page.open("search?q=piano")
    page.find(".tile")
    camera.hold(1.5)
    page.open("operate")
    page.find("tbody tr")
    camera.hold(3.0)


def write(frames: Sequence[tuple[bytes, float]], file: Path) -> None:
    """The pictures as an animated WebP that begins again at its end, each shown until the next one was taken."""
    pictures = [next(av.open(io.BytesIO(png)).decode(video=0)) for png, _ in frames]
    with av.open(str(file), "w", format="webp", options={"loop": "0"}) as container:
        stream = container.add_stream("libwebp_anim", rate=1000)
        stream.width, stream.height, stream.pix_fmt = pictures[0].width, pictures[0].height, "bgra"
        stream.time_base = stream.codec_context.time_base = MS
        stream.options = {"quality": str(QUALITY), "compression_level": "6"}
        for picture, (_, at_s) in zip(pictures, frames, strict=True):
            shown = picture.reformat(format="bgra")  # the encoder converts colours itself
            shown.pts, shown.time_base = int(1000 * (at_s - frames[0][1])), MS
            container.mux(stream.encode(shown))
        container.mux(stream.encode(None))


def main() -> None:
    """Record the page of a playground that was started for it."""
    driver = start()
    try:
        with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as address:
            page = Page(driver, address, WIDTH)
            page.look(dark=True, height=HEIGHT)
            camera = Camera(page)
            play(page, camera)
    finally:
        driver.quit()
    write(camera.frames, FILE)
    size = FILE.stat().st_size
    print(f"{FILE.name}: {len(camera.frames)} pictures, {size / 1e6:.2f} MB")
    if size > MOST_BYTES:
        sys.exit(f"more than {MOST_BYTES / 1e6:g} MB")


if __name__ == "__main__":
    main()
